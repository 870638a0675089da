import { describe, expect, it, vi } from 'vitest';
import { newLog } from '../../functions/log.ts';

/** What is printed of one line, as text and read again. */
function printed(
  message: string,
  fields: Record<string, unknown> = {},
): { text: string; json: Record<string, unknown> } {
  const written: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    written.push(String(chunk));
    return true;
  });
  newLog().info(message, fields);
  write.mockRestore();
  const text = written.join('');
  return { text, json: JSON.parse(text) as Record<string, unknown> };
}

const JWT = ['eyJhbGciOiJFUzI1NiJ9', 'eyJzdWIiOiJhZGEifQ', 'MEUCIQDx-c2lnbmF0dXJl_x'].join('.');
const ACCESS_KEY = ['AKIA', 'IOSFODNN7', 'EXAMPLE'].join('');
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';

describe('the log, as the last line that holds when all others have failed,', () => {
  it.each([
    'aws_secret_access_key',
    'azure_service_principal_password',
    'google_credentials',
    'ibm_api_key',
    'secretAccessKey',
    'sessionToken',
    'Authorization',
    'password',
    'privateKey',
    'Plaintext',
    'pkcs11_pin',
  ])('masks what is named %s, however deep it lies', (name) => {
    const { text } = printed('request', { [name]: SECRET, within: { list: [{ [name]: { parts: [SECRET] } }] } });
    expect(text).not.toContain(SECRET);
    expect(text).toContain('********');
  });

  it('masks tokens and the ids of access keys in any text, and leaves the rest of the sentence', () => {
    const { json, text } = printed(`The token ${JWT} of ${ACCESS_KEY} was refused.`, {
      reason: `Authorization: Bearer ${JWT}`,
      parts: [`AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/x, Signature=${'0a'.repeat(32)}`],
    });
    expect(json['message']).toBe('The token ******** of ********MPLE was refused.');
    for (const secret of [JWT, ACCESS_KEY, '0a'.repeat(32)]) expect(text).not.toContain(secret);
  });

  it.each([
    [`{"aws_secret_access_key":"${SECRET}","name":"x"}`],
    [`grant_type=client_credentials&client_secret=${SECRET}&scope=x`],
    [`-----BEGIN PRIVATE KEY-----\nMIGH${SECRET}\n-----END PRIVATE KEY-----`],
  ])('masks what stands in a body that was logged whole: %s', (body) => {
    expect(printed('request', { body }).text).not.toContain(SECRET);
  });

  it('masks errors too: their messages, their stacks, their causes and what hangs on them', () => {
    const cause = Object.assign(new Error(`${JWT} is not valid`), { secretAccessKey: SECRET });
    const { text } = printed('request', { error: new Error(`refused ${ACCESS_KEY}`, { cause }) });
    expect(text).toContain('is not valid');
    for (const secret of [JWT, ACCESS_KEY, SECRET]) expect(text).not.toContain(secret);
  });

  it('prints no bytes, whatever they are called', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, position) => position + 100);
    const { text } = printed('step', { one: bytes, other: Buffer.from(bytes), deep: { one: [bytes] } });
    expect(text).not.toContain('100,101,102');
    expect(text).not.toContain('"1":101');
    expect(text).not.toContain(Buffer.from(bytes).toString('base64'));
  });

  it('leaves alone what people look for: ids, labels, states, counts', () => {
    const fields = {
      keyId: '6f1c9f1e',
      key: 'payments',
      algorithm: 'aes',
      tokens: 3,
      status: 200,
      arn: 'arn:aws:kms:x:1:key/2',
    };
    expect(printed('request', fields).json).toMatchObject({ message: 'request', service: 'shearline', ...fields });
  });

  it('takes no longer for a text made to keep it busy', () => {
    const started = performance.now();
    for (const unit of ['a-', 'eyJ', 'secret ', 'Bearer ', '-----BEGIN ', 'AKIA']) printed(unit.repeat(20_000));
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
