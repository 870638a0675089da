import { describe, expect, test } from 'vitest';
import { readSettings } from '../../sandbox/settings.ts';
import { StartProblem } from '../../sandbox/start-problem.ts';

describe('the settings of a start', () => {
  test('nothing given: port 3000, the sample, a stand-in for everything', () => {
    expect(readSettings({})).toMatchObject({
      port: 3000,
      seed: true,
      dynamodbEndpoint: undefined,
      kmsEndpoint: undefined,
      issuer: undefined,
    });
  });

  test('empty counts as not given', () => {
    expect(readSettings({ PORT: '', SEED: ' ', DYNAMODB_ENDPOINT: '' })).toMatchObject({
      port: 3000,
      seed: true,
      dynamodbEndpoint: undefined,
    });
  });

  test('what is given is taken, without a slash at the end', () => {
    expect(
      readSettings({
        PORT: '4000',
        SEED: 'none',
        DYNAMODB_ENDPOINT: 'http://db:8000/',
        OIDC_ISSUER: 'https://login/x',
      }),
    ).toMatchObject({ port: 4000, seed: false, dynamodbEndpoint: 'http://db:8000', issuer: 'https://login/x' });
  });

  test.each([
    [{ PORT: 'abc' }, 'PORT must be a whole number from 1 to 65524 (or 0 for any free ports), not "abc".'],
    [{ PORT: '65527' }, 'PORT must be'],
    [{ PORT: '-1' }, 'PORT must be'],
    [{ PORT: '3000.5' }, 'PORT must be'],
    [{ SEED: 'maybe' }, 'SEED must be "sample" (the default) or "none", not "maybe".'],
    [{ DYNAMODB_ENDPOINT: 'localhost:8000' }, 'DYNAMODB_ENDPOINT must be an http(s) URL'],
    [{ AWS_ENDPOINT_URL_KMS: 'kms' }, 'AWS_ENDPOINT_URL_KMS must be an http(s) URL'],
    [{ OIDC_ISSUER: 'ftp://issuer' }, 'OIDC_ISSUER must be an http(s) URL'],
  ])('%o is refused in a sentence that names it', (environment, sentence) => {
    expect(() => readSettings(environment)).toThrow(StartProblem);
    expect(() => readSettings(environment)).toThrow(sentence);
  });
});
