import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sigV4Verifier } from '../aws-kms/sigv4.ts';
import type { SandboxAccount } from '../aws-kms/sigv4.ts';
import type { SandboxClock } from '../clock.ts';
import { listenOnLoopback } from '../ports.ts';

/** A role that can be assumed: by whom, and with which external id. */
export interface SandboxRole {
  readonly arn: string;
  /** Access keys whose owners its trust policy names. */
  readonly trusts: readonly string[];
  readonly externalId: string;
}

export interface AwsStsSandbox {
  readonly endpoint: string;
  /** Every role that was assumed, in order, with the name of the session. */
  readonly sessions: readonly { readonly arn: string; readonly name: string }[];
  close(): Promise<void>;
}

/**
 * An AWS STS that knows AssumeRole, over the Query protocol, on 127.0.0.1. `accounts` is the list that a KMS sandbox was started with: the
 * temporary credentials are put into it, so that it believes them. Source: AWS STS API reference, "AssumeRole".
 */
export async function startAwsStsSandbox(options: {
  readonly clock: SandboxClock;
  readonly accounts: SandboxAccount[];
  readonly roles: readonly SandboxRole[];
}): Promise<AwsStsSandbox> {
  const { clock, accounts, roles } = options;
  const sessions: { arn: string; name: string }[] = [];
  const verify = sigV4Verifier(accounts, { service: 'sts', now: () => clock.now().getTime() });

  const assume = (parameters: URLSearchParams, caller: SandboxAccount): string => {
    const arn = parameters.get('RoleArn') ?? '';
    const name = parameters.get('RoleSessionName') ?? '';
    const role = roles.find((each) => each.arn === arn);
    const isTrusted = role?.trusts.includes(caller.accessKeyId) === true;
    // Whether a role exists is told to nobody who may not assume it.
    if (role === undefined || !isTrusted || parameters.get('ExternalId') !== role.externalId) {
      throw new Refusal(
        403,
        'AccessDenied',
        `User: ${caller.accessKeyId} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
      );
    }
    const seconds = Number(parameters.get('DurationSeconds') ?? '3600');
    const expires = clock.now().getTime() + seconds * 1000;
    const temporary: SandboxAccount = {
      accountId: arn.split(':')[4] ?? '',
      accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: randomBytes(60).toString('base64'),
      expires,
    };
    accounts.push(temporary);
    sessions.push({ arn, name });
    return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser><AssumedRoleId>AROASANDBOX:${name}</AssumedRoleId><Arn>${arn}/${name}</Arn></AssumedRoleUser><Credentials><AccessKeyId>${temporary.accessKeyId}</AccessKeyId><SecretAccessKey>${temporary.secretAccessKey}</SecretAccessKey><SessionToken>${temporary.sessionToken ?? ''}</SessionToken><Expiration>${new Date(expires).toISOString()}</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></AssumeRoleResponse>`;
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const parameters = new URLSearchParams(body.toString());
    try {
      const { account } = verify({
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body,
      });
      if (parameters.get('Action') !== 'AssumeRole')
        throw new Refusal(400, 'InvalidAction', 'Only AssumeRole is known here.');
      answer(response, 200, assume(parameters, account));
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(403, nameOf(error), messageOf(error));
      answer(
        response,
        refusal.status,
        `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${refusal.code}</Code><Message>${escaped(refusal.message)}</Message></Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`,
      );
    }
  };

  const server = createServer((request, response) => void serve(request, response));
  const port = await listenOnLoopback(server, 0);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    sessions,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
}

/** Of a refused signature: STS calls it as KMS does, without the end. */
function nameOf(error: unknown): string {
  const type: unknown = typeof error === 'object' && error !== null && 'type' in error ? error.type : undefined;
  return typeof type === 'string' ? type.replace(/Exception$/, '') : 'InternalFailure';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'Something went wrong.';
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
