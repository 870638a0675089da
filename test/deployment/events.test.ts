import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import announcements from '../../deploy/events/announcements-filter.json' with { type: 'json' };
import forward from '../../deploy/events/forward.json' with { type: 'json' };
import keyEvents from '../../deploy/events/key-events.json' with { type: 'json' };
import { ANNOUNCED_OPERATIONS } from '../../lib/notices/announcement.ts';
import { LOCAL_RULES, OWN_BUS } from '../../sandbox/event-bridge/rules.ts';
import { LOCAL_QUEUES } from '../../sandbox/sqs/queues.ts';
import { STREAM_TARGETS } from '../../sandbox/stream-targets.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

const GET_ATT = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) });
const SERVICE = z.object({
  functions: z.record(
    z.string(),
    z.object({
      events: z.array(
        z.object({
          eventBridge: z.optional(
            z.object({ eventBus: z.optional(z.object({ Ref: z.string() })), pattern: z.unknown() }),
          ),
          stream: z.optional(z.object({ batchSize: z.number(), filterPatterns: z.array(z.unknown()) })),
          sqs: z.optional(
            z.object({
              arn: GET_ATT,
              batchSize: z.number(),
              maximumConcurrency: z.optional(z.number()),
              functionResponseType: z.string(),
            }),
          ),
        }),
      ),
    }),
  ),
  resources: z.object({
    Resources: z.record(z.string(), z.object({ Properties: z.record(z.string(), z.unknown()) })),
  }),
});

describe('what connects events and functions in serverless.yml', () => {
  let service: z.infer<typeof SERVICE>;
  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(PROJECT, 'node_modules/serverless/bin/serverless.js'), 'print', '--format', 'json'],
      {
        cwd: PROJECT,
        env: { PATH: process.env['PATH'], HOME: process.env['HOME'], OIDC_ISSUER: 'https://login.example' },
      },
    );
    service = SERVICE.parse(JSON.parse(stdout));
  });
  const propertiesOf = (name: string) => service.resources.Resources[name]?.Properties ?? {};

  test('is the rules that a local start has', () => {
    const deployed = Object.entries(service.functions).flatMap(([name, { events }]) =>
      events.flatMap(({ eventBridge }) =>
        eventBridge === undefined
          ? []
          : [
              {
                bus: eventBridge.eventBus === undefined ? 'default' : propertiesOf(eventBridge.eventBus.Ref)['Name'],
                pattern: eventBridge.pattern,
                function: name,
              },
            ],
      ),
    );
    expect(deployed).toEqual(LOCAL_RULES);
    expect(propertiesOf('EventBus')['Name']).toBe(OWN_BUS);
  });

  test('is the queues that a local start has, each with its dead letters and longer hidden than its function runs', () => {
    const deployed = Object.entries(service.functions).flatMap(([name, { events }]) =>
      events.flatMap(({ sqs }) => {
        if (sqs === undefined) return [];
        const queue = propertiesOf(sqs.arn['Fn::GetAtt'][0]);
        const redrive = z
          .object({ deadLetterTargetArn: GET_ATT, maxReceiveCount: z.number() })
          .parse(queue['RedrivePolicy']);
        expect(propertiesOf(redrive.deadLetterTargetArn['Fn::GetAtt'][0])['FifoQueue']).toBe(queue['FifoQueue']);
        expect(sqs.functionResponseType).toBe('ReportBatchItemFailures');
        return [
          {
            name: queue['QueueName'],
            function: name,
            batchSize: sqs.batchSize,
            maximumConcurrency: sqs.maximumConcurrency,
            visibilitySeconds: queue['VisibilityTimeout'],
            maxReceiveCount: redrive.maxReceiveCount,
          },
        ];
      }),
    );
    const byName = (a: { name: unknown }, b: { name: unknown }) => (String(a.name) < String(b.name) ? -1 : 1);
    expect(deployed.sort(byName)).toEqual(
      LOCAL_QUEUES.map(
        ({ name, function: target, batchSize, maximumConcurrency, visibilitySeconds, maxReceiveCount }) => ({
          name,
          function: target,
          batchSize,
          maximumConcurrency,
          visibilitySeconds,
          maxReceiveCount,
        }),
      ).sort(byName),
    );
  });

  test('is the functions that get the changes of the table, by the filters that a local start has', () => {
    const deployed = Object.entries(service.functions).flatMap(([name, { events }]) =>
      events.flatMap(({ stream }) =>
        stream === undefined ? [] : [{ function: name, filters: stream.filterPatterns, batchSize: stream.batchSize }],
      ),
    );
    expect(deployed).toEqual(STREAM_TARGETS);
  });

  test('announces what the code does', () => {
    expect(announcements.dynamodb.NewImage.operation.S).toEqual(ANNOUNCED_OPERATIONS);
  });

  test('and what other accounts deploy forwards the same events', () => {
    const { Calls, Keys } = forward.Resources;
    expect({ calls: Calls.Properties.EventPattern, keys: Keys.Properties.EventPattern }).toEqual(keyEvents);
  });
});
