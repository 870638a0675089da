import { InlineLoading, Tag } from '@carbon/react';
import { ArrowRight } from '@carbon/react/icons';
import { useQueryClient } from '@tanstack/react-query';
import type { WirePlannedChanges } from '../../lib/wire/planned.ts';
import { text } from '../text/text.ts';
import { plain } from './difference.ts';

const words = text.changes;
type Value = WirePlannedChanges['changes'][number]['before'];

/** A value of a plan for people: lists and objects come as JSON text, references as ids; `nameOf` knows some of them. */
export function valueText(value: Value, nameOf: (id: string) => string = (id) => id): string {
  if (value === null || value === '' || value === '[]') return words.empty;
  if (typeof value === 'boolean') return value ? text.shell.yes : text.shell.no;
  if (typeof value !== 'string') return String(value);
  if (!/^[[{]/.test(value)) return nameOf(value);
  try {
    return plain(JSON.parse(value), nameOf);
  } catch {
    return value;
  }
}

/** The ids of what this page has read, by name. */
function useNames(plan: WirePlannedChanges): (id: string) => string {
  const queries = useQueryClient();
  const names = new Map(plan.keystores.map(({ id, name }) => [id, name]));
  for (const list of ['keystores', 'templates']) {
    for (const [, found] of queries.getQueriesData({ queryKey: [list, 'all'] })) {
      for (const { id, name } of Array.isArray(found) ? (found as { id?: string; name?: string }[]) : []) {
        if (id !== undefined && name !== undefined) names.set(id, name);
      }
    }
  }
  return (id) => names.get(id) ?? id;
}

/** What would happen: in the records, in which keystores, and for how long. */
export function PlanView({ plan, running }: { readonly plan: WirePlannedChanges; readonly running: boolean }) {
  const nameOf = useNames(plan);
  const visible = plan.changes.filter(({ property }) => !HOUSEKEEPING.has(property));
  return (
    <div className="plan">
      {visible.length === 0 ? undefined : (
        <>
          <h3>{words.records}</h3>
          <ul className="plan__changes">
            {visible.map(({ property, before, after }) => (
              <li key={property}>
                <span className="plan__property">{text.properties[property] ?? property}</span>
                <span className="plan__before">{valueText(before, nameOf)}</span>
                <ArrowRight aria-label={words.after} />
                <span className="plan__after">
                  {property === 'template_id' ? words.ownTemplate : valueText(after, nameOf)}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      {plan.keystores.length === 0 ? undefined : (
        <>
          <h3>{words.keystores}</h3>
          <ul className="plan__keystores">
            {plan.keystores.map(({ id, name, key, steps, reason }) => (
              <li key={`${id} ${key}`}>
                <div className="plan__keystore">
                  <strong>{name}</strong>
                  {plan.keystores.some((each) => each.key !== key) ? <span className="quiet">{key}</span> : undefined}
                  {running && steps.length > 0 ? (
                    <InlineLoading description={words.running} />
                  ) : (
                    <span className="tags">
                      {steps.length === 0 ? (
                        <Tag size="sm" type="gray">
                          {words.noSteps}
                        </Tag>
                      ) : (
                        steps.map((step) => (
                          <Tag key={step} size="sm" type="blue">
                            {text.words.steps[step]}
                          </Tag>
                        ))
                      )}
                    </span>
                  )}
                </div>
                <p className="quiet">{reason}</p>
              </li>
            ))}
          </ul>
          {plan.estimated_seconds > 0 ? <p>{words.eta(text.dates.seconds(plan.estimated_seconds))}</p> : undefined}
        </>
      )}
      {visible.length === 0 && plan.keystores.length === 0 ? <p>{words.nothing}</p> : undefined}
    </div>
  );
}

/** Follows from every change, and decides nothing. */
const HOUSEKEEPING: ReadonlySet<string> = new Set([
  'updated_at',
  'updated_by',
  'version_number',
  'planned_changes',
  'repaired',
]);
