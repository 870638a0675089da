import type { Package } from './package.ts';

/** What CloudFormation gives without a resource. */
const PSEUDO = /^AWS::(?:AccountId|NoValue|Partition|Region|StackName|URLSuffix)$/;

/** A place in the template that speaks of a resource. */
export interface Reference {
  readonly from: string;
  readonly to: string;
  readonly by: 'Ref' | 'Fn::GetAtt' | 'Fn::Sub' | 'DependsOn' | 'Condition';
}

/** Every place of the template's resources that speaks of another one, or of a condition. */
export function referencesOf({ template }: Pick<Package, 'template'>): readonly Reference[] {
  return Object.entries(template.Resources).flatMap(([from, resource]) => {
    const found: Reference[] = referencesIn(resource.Properties, from);
    if (resource.Condition !== undefined) found.push({ from, to: resource.Condition, by: 'Condition' });
    for (const to of [resource.DependsOn ?? []].flat()) found.push({ from, to, by: 'DependsOn' });
    return found;
  });
}

/** The same of a value of the template that `from` has. */
export function referencesIn(value: unknown, from: string): Reference[] {
  if (Array.isArray(value)) return value.flatMap((each) => referencesIn(each, from));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]): Reference[] => {
    if (name === 'Ref' && typeof inner === 'string') {
      return PSEUDO.test(inner) ? [] : [{ from, to: inner, by: 'Ref' }];
    }
    if (name === 'Fn::GetAtt') {
      const [to = ''] = typeof inner === 'string' ? inner.split('.') : (inner as readonly string[]);
      return [{ from, to, by: 'Fn::GetAtt' }];
    }
    if (name === 'Fn::Sub') {
      const [text, own] = (Array.isArray(inner) ? inner : [inner, {}]) as [string, object];
      return [
        ...[...text.matchAll(/\$\{([^!}][^}]*)\}/g)].flatMap(([, named = '']): Reference[] => {
          const [to = ''] = named.split('.');
          return PSEUDO.test(to) || Object.hasOwn(own, to) ? [] : [{ from, to, by: 'Fn::Sub' }];
        }),
        ...referencesIn(own, from),
      ];
    }
    if (name === 'Fn::If') {
      const [condition, ...branches] = inner as readonly [string, ...unknown[]];
      return [{ from, to: condition, by: 'Condition' }, ...referencesIn(branches, from)];
    }
    return referencesIn(inner, from);
  });
}

/** A circle of resources that wait for each other, or none. CloudFormation would refuse it. */
export function circleIn(references: readonly Reference[]): readonly string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to, by } of references) {
    if (by !== 'Condition') next.set(from, [...(next.get(from) ?? []), to]);
  }
  const done = new Set<string>();
  const visit = (id: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(id)) return [...path.slice(path.indexOf(id)), id];
    if (done.has(id)) return undefined;
    for (const to of next.get(id) ?? []) {
      const circle = visit(to, [...path, id]);
      if (circle !== undefined) return circle;
    }
    done.add(id);
    return undefined;
  };
  for (const id of next.keys()) {
    const circle = visit(id, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}
