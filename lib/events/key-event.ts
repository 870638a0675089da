import * as z from 'zod/mini';
import { later } from '../later.ts';

/** Something happened to keys in AWS KMS. Says which, not what: whoever wants to know looks. */
export interface KeyEvent {
  /** The same for every delivery of it. */
  readonly id: string;
  /** `DisableKey`, `KMS CMK Deletion`, … */
  readonly name: string;
  readonly at: Date;
  /** ARNs. */
  readonly keys: readonly string[];
  /** An alias that leads to another key now: the key that it led to before is not in the event. */
  readonly movedAlias: { readonly account: string; readonly region: string; readonly name: string } | undefined;
}

const text = z.string();
const maybeText = z.optional(z.nullable(text));

const ENVELOPE = later(() =>
  z.object({
    id: text,
    source: z.literal('aws.kms'),
    'detail-type': text,
    account: text,
    region: text,
    time: text,
    resources: z.array(text),
    detail: z.unknown(),
  }),
);

// CloudTrail's record, as far as it says which key. Sources: AWS KMS Developer Guide, “Examples of AWS KMS log entries”.
const CALL = later(() =>
  z.object({
    eventName: text,
    eventID: text,
    eventTime: text,
    errorCode: maybeText,
    requestParameters: z.optional(
      z.nullable(z.object({ keyId: maybeText, targetKeyId: maybeText, aliasName: maybeText })),
    ),
    responseElements: z.optional(z.nullable(z.object({ keyId: maybeText }))),
    resources: z.optional(z.nullable(z.array(z.object({ ARN: maybeText })))),
  }),
);

const CALL_TYPE = 'AWS API Call via CloudTrail';
const KEY_ARN = /^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]{1,128}$/;
const KEY_ID = /^(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/**
 * What an event of EventBridge says about keys in AWS KMS: a call that CloudTrail recorded, or one of KMS's own events. Undefined for a
 * call that failed, and so changed nothing. Throws for what is neither.
 */
export function keyEventFrom(event: unknown): KeyEvent | undefined {
  const envelope = z.parse(ENVELOPE(), event);
  const { region, account } = envelope;
  if (envelope['detail-type'] !== CALL_TYPE) {
    return {
      id: envelope.id,
      name: envelope['detail-type'],
      at: new Date(envelope.time),
      keys: envelope.resources.filter((arn) => KEY_ARN.test(arn)),
      movedAlias: undefined,
    };
  }
  const call = z.parse(CALL(), envelope.detail);
  if (typeof call.errorCode === 'string') return undefined;
  const { requestParameters: asked, responseElements: answered, resources } = call;
  const named = [...(resources ?? []).map(({ ARN }) => ARN), answered?.keyId, asked?.keyId, asked?.targetKeyId];
  const keys = named.flatMap((name) => arnOf(name, { region, account }) ?? []);
  const alias = asked?.aliasName;
  return {
    // One call reaches us once for each trail that records it.
    id: call.eventID,
    name: call.eventName,
    at: new Date(call.eventTime),
    keys: [...new Set(keys)],
    movedAlias:
      call.eventName === 'UpdateAlias' && typeof alias === 'string' && alias.startsWith('alias/')
        ? { account, region, name: alias.slice('alias/'.length) }
        : undefined,
  };
}

function arnOf(name: string | null | undefined, of: { readonly region: string; readonly account: string }) {
  if (typeof name !== 'string') return undefined;
  if (KEY_ARN.test(name)) return name;
  return KEY_ID.test(name) ? `${prefixOf(of)}key/${name}` : undefined;
}

/** What the ARNs of all keys of an account in a region begin with. */
export function prefixOf({ region, account }: { readonly region: string; readonly account: string }): string {
  return `arn:${partitionOf(region)}:kms:${region}:${account}:`;
}

/** Source: AWS IAM User Guide, “Amazon Resource Names”, partitions. */
function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}
