import { createConfig, lintFromString } from '@redocly/openapi-core';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../lib/wire/openapi.ts';

/** Rules of Redocly's strict set that do not fit, and why. */
const NOT_FOR_US = {
  // A model of the contract that each key instance narrows to its own types instead of referring to it.
  'no-unused-components': 'off',
} as const;

describe('the OpenAPI document', () => {
  it('passes the linter without a warning', async () => {
    const config = await createConfig({ extends: ['recommended-strict'], rules: NOT_FOR_US });
    const source = JSON.stringify(openApiDocument({ version: '1.0.0', serverUrl: 'https://keys.example.org' }));
    const problems = await lintFromString({ source, config });
    expect(
      problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} (${location[0]?.pointer ?? ''})`),
    ).toEqual([]);
  });

  it('would not pass with a mistake in it', async () => {
    const config = await createConfig({ extends: ['recommended-strict'], rules: NOT_FOR_US });
    const text = JSON.stringify(openApiDocument({ version: '1.0.0', serverUrl: 'https://keys.example.org' }));
    const source = text.replace('"#/components/schemas/VaultList"', '"#/components/schemas/NoSuchList"');
    expect((await lintFromString({ source, config })).map(({ ruleId }) => ruleId)).toContain('no-unresolved-refs');
  });

  it('is the same document however often it is made', () => {
    const info = { version: '1.0.0', serverUrl: 'https://keys.example.org' };
    expect(JSON.stringify(openApiDocument(info))).toBe(JSON.stringify(openApiDocument(info)));
  });
});
