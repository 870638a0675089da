import type { WireManagedKey } from '../../lib/wire/keys.ts';
import { Card, Fact, Facts } from '../cards/Card.tsx';
import { text } from '../text/text.ts';

const words = text.keys.details;

/** What the key is made of: all of it was fixed when the key was made. */
export function MaterialCard({ managed }: { readonly managed: WireManagedKey }) {
  const locked = words.materialLocked;
  const type = managed.instances[0]?.type ?? 'secret_key';
  return (
    <Card width="third" title={words.material}>
      <Facts>
        <Fact name={text.keys.columns.algorithm} locked={locked}>
          {text.words.algorithms[managed.algorithm]}
        </Fact>
        <Fact name={text.keys.columns.length} locked={locked}>
          {managed.size}
        </Fact>
        <Fact name={text.keys.columns.type} locked={locked}>
          {text.words.keyTypes[type]}
        </Fact>
        <Fact name={text.keys.columns.material} locked={locked}>
          {managed.material === undefined ? undefined : text.words.material[managed.material]}
        </Fact>
        <Fact name={text.keys.columns.version}>{managed.version}</Fact>
        <Fact name={words.patterns}>
          {(managed.verification_patterns ?? []).length === 0
            ? undefined
            : managed.verification_patterns?.map(({ method, value }) => (
                <span key={value}>
                  {method} <code>{value}</code>
                </span>
              ))}
        </Fact>
      </Facts>
    </Card>
  );
}
