import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import template from '../../deploy/keystore-role.json' with { type: 'json' };

const policy = template.Resources.Role.Properties;
const actions = policy.Policies.flatMap(({ PolicyDocument }) =>
  PolicyDocument.Statement.flatMap(({ Action }) => [Action].flat()),
);

it('the role for keystores in other accounts has the permissions that the documentation names, and no others', () => {
  const page = readFileSync(new URL('../../docs/keystores/aws-kms.md', import.meta.url), 'utf8');
  const table = page.slice(page.indexOf('## Permissions'), page.indexOf('## What it can hold'));
  const named = new Set([...table.matchAll(/`(kms:[A-Za-z]+)`/g)].map(([, action]) => action));
  expect(new Set(actions)).toEqual(named);
});

it('it is below the path that functions may assume roles of, and asks for the vault’s id', () => {
  expect(policy.Path).toBe('/shearline/');
  const [trust] = policy.AssumeRolePolicyDocument.Statement;
  expect(trust?.Condition.StringEquals).toEqual({ 'sts:ExternalId': { Ref: 'VaultId' } });
  for (const { PolicyDocument } of policy.Policies) {
    for (const statement of PolicyDocument.Statement) {
      if (statement.Resource === '*') continue;
      expect(JSON.stringify(statement.Resource)).toContain('${AWS::AccountId}');
    }
  }
});
