import { describe, expect, it } from 'vitest';
import { faultFrom } from '../../lib/drivers/aws-kms/faults.ts';
import { KeystoreFault } from '../../lib/drivers/driver.ts';

function awsError(name: string, status: number, message = 'as AWS says'): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });
}

describe('errors of AWS KMS', () => {
  it.each([
    ['AccessDeniedException', 400, 'denied'],
    ['UnrecognizedClientException', 400, 'denied'],
    ['InvalidSignatureException', 400, 'denied'],
    ['ExpiredTokenException', 400, 'denied'],
    ['ThrottlingException', 400, 'throttled'],
    ['NotFoundException', 400, 'not_found'],
    ['CustomKeyStoreNotFoundException', 400, 'not_found'],
    ['AlreadyExistsException', 400, 'conflict'],
    ['KMSInvalidStateException', 400, 'conflict'],
    ['DisabledException', 400, 'conflict'],
    ['IncorrectKeyMaterialException', 400, 'conflict'],
    ['LimitExceededException', 400, 'conflict'],
    ['UnsupportedOperationException', 400, 'unsupported'],
    ['ValidationException', 400, 'unsupported'],
    ['CustomKeyStoreInvalidStateException', 400, 'unavailable'],
    ['KeyUnavailableException', 500, 'unavailable'],
    ['ServiceUnavailable', 503, 'unavailable'],
    ['DependencyTimeoutException', 500, 'unreachable'],
    ['KMSInternalException', 500, 'broken'],
    ['SomethingNew', 400, 'broken'],
    ['SomethingNew', 403, 'denied'],
    ['SomethingNew', 429, 'throttled'],
    ['SomethingNew', 503, 'unavailable'],
  ] as const)('%s (%i) is %s', (name, status, kind) => {
    const cause = awsError(name, status);
    const fault = faultFrom(cause, 'DescribeKey');
    expect(fault).toMatchObject({ kind, providerCode: name, cause });
    expect(fault.message).toBe(`AWS KMS DescribeKey: ${name}: as AWS says`);
  });

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN'])(
    '%s is unreachable, without a code of the provider',
    (code) => {
      const fault = faultFrom(Object.assign(new Error('socket'), { code }), 'DescribeKey');
      expect(fault).toMatchObject({ kind: 'unreachable', providerCode: undefined });
      expect(fault.message).toContain(code);
    },
  );

  it.each(['TimeoutError', 'AbortError'])('%s is unreachable', (name) => {
    expect(faultFrom(Object.assign(new Error('late'), { name }), 'CreateKey').kind).toBe('unreachable');
  });

  it('leaves a fault as it is', () => {
    const fault = new KeystoreFault('conflict', 'taken');
    expect(faultFrom(fault, 'CreateKey')).toBe(fault);
  });

  it('tells the first line of what AWS says only: signing errors quote the request after it', () => {
    const cause = awsError(
      'InvalidSignatureException',
      400,
      `It does not match.\nThe Canonical String was x-amz-security-token:abc`,
    );
    expect(faultFrom(cause, 'ListKeys').message).not.toContain('abc');
    expect(faultFrom(awsError('Odd', 400, 'x'.repeat(5000)), 'ListKeys').message.length).toBeLessThan(500);
  });

  it('is broken when it is no error at all', () => {
    expect(faultFrom('text', 'ListKeys').kind).toBe('broken');
  });
});
