import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { alarmsOf } from '../../deploy/alarms.ts';
import { PRIVILEGES } from '../../deploy/privileges.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const names = (text: string, pattern: RegExp): string[] =>
  [...new Set([...text.matchAll(pattern)].map(([, name = '']) => name))].toSorted();

const sources = (folder: string, ending: string): string =>
  readdirSync(new URL(`../../${folder}`, import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => read(`${folder}/${file}`))
    .join('\n');

const measured = names(sources('functions', '.ts'), /addMetric\(\s*'([A-Za-z]+)'/g);

it('every metric that the functions write is explained in docs/operate.md, and no other', () => {
  const text = read('docs/operate.md');
  const table = text.slice(text.indexOf('## Metrics'), text.indexOf('## Alarms'));
  expect(names(table, /^\| `([A-Za-z]+)`/gm)).toEqual(measured);
});

it('alarms and the dashboard look at metrics that are written', () => {
  const watched = { service: 's', stage: 't', functions: [], queues: [], naming: { getLambdaLogicalId: String } };
  const looked = Object.values(alarmsOf(watched)).flatMap((alarm) => {
    const { Properties } = alarm as { Properties: { Namespace: string; MetricName: string } };
    return Properties.Namespace === 'Shearline' ? [Properties.MetricName] : [];
  });
  const own = names(read('deploy/alarms.ts'), /own\('([A-Za-z]+)'\)/g);
  expect(measured).toEqual(expect.arrayContaining([...looked, ...own]));
});

it('every privilege is explained in docs/deploy.md, and no other', () => {
  const text = read('docs/deploy.md');
  const table = text.slice(text.indexOf('## Who may do what'), text.indexOf('## The custody key in CloudHSM'));
  expect(names(table, /^\| `([a-z_]+)`/gm)).toEqual(Object.keys(PRIVILEGES).toSorted());
});

it('every setting of a deployment is documented', () => {
  /** Only a local start sets these: they lead to what stands in for a cloud. */
  const local =
    /^(?:ALLOW_INSECURE_KEYSTORE_ENDPOINTS|AZURE_AUTHORITY_HOST|AZURE_KEY_VAULT_ENDPOINT|GOOGLE_KMS_ENDPOINT|CONSOLE_FOLDER|OIDC_LOCAL|SHEARLINE_.*|PKCS11_LIBRARY|DYNAMODB_ENDPOINT|AWS_REGION)$/;
  const asked = names(`${read('serverless.yml')}\n${sources('deploy', '.yml')}`, /env:([A-Z0-9_]+)/g);
  const documented = `${read('README.md')}\n${sources('docs', '.md')}`;
  expect(asked.filter((name) => !local.test(name) && !documented.includes(name))).toEqual([]);
});
