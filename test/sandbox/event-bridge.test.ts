import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { matches } from '../../sandbox/event-bridge/pattern.ts';
import { startEventBridge } from '../../sandbox/event-bridge/server.ts';
import type { BusEvent, LocalEventBridge } from '../../sandbox/event-bridge/server.ts';

describe('the local EventBridge', () => {
  let bridge: LocalEventBridge;
  let client: EventBridgeClient;
  let invoke: (name: string, event: BusEvent) => Promise<unknown>;
  const complaints: string[] = [];

  beforeEach(async () => {
    complaints.length = 0;
    invoke = vi.fn(() => Promise.resolve());
    bridge = await startEventBridge({
      rules: [
        { bus: 'own', pattern: { source: ['shearline'], detail: { flag: ['error'] } }, function: 'errors' },
        { bus: 'own', pattern: { detail: { flag: ['error', 'ok'] } }, function: 'errors' },
        { bus: 'default', pattern: { source: ['shearline'] }, function: 'others' },
      ],
      buses: ['own'],
      invoke: (name, event) => invoke(name, event),
      complain: (sentence) => complaints.push(sentence),
    });
    client = new EventBridgeClient({
      endpoint: bridge.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      maxAttempts: 1,
    });
  });
  afterEach(async () => {
    client.destroy();
    await bridge.close();
  });
  const entry = (detail: string, bus = 'own') => ({
    EventBusName: bus,
    Source: 'shearline',
    DetailType: 'Test',
    Detail: detail,
  });
  const put = (...Entries: object[]) => client.send(new PutEventsCommand({ Entries }));

  test('delivers an event to a function once, whichever of its rules it meets, and to no other', async () => {
    const { FailedEntryCount, Entries = [] } = await put(entry('{"flag":"error"}'), entry('{"flag":"other"}'));
    expect(FailedEntryCount).toBe(0);
    await bridge.settled();
    expect(invoke).toHaveBeenCalledTimes(1);
    expect(invoke).toHaveBeenCalledWith(
      'errors',
      expect.objectContaining({
        id: Entries[0]?.EventId,
        source: 'shearline',
        'detail-type': 'Test',
        detail: { flag: 'error' },
      }),
    );
    expect(bridge.events('own')).toHaveLength(2);
  });

  test('refuses each wrong entry by itself, and takes the others', async () => {
    const { FailedEntryCount, Entries } = await put(
      entry('{"flag":"ok"}'),
      entry('not JSON'),
      entry('[]'),
      entry('{}', 'nowhere'),
      { EventBusName: 'own', Detail: '{}' },
    );
    expect(FailedEntryCount).toBe(4);
    expect(Entries?.map(({ ErrorCode }) => ErrorCode)).toEqual([
      undefined,
      'MalformedDetail',
      'MalformedDetail',
      'InvalidArgument',
      'InvalidArgument',
    ]);
  });

  test('tries again while a function throws', async () => {
    let calls = 0;
    invoke = () => {
      calls += 1;
      return calls < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve();
    };
    await put(entry('{"flag":"ok"}'));
    await bridge.settled();
    expect(calls).toBe(3);
    expect(complaints).toEqual([]);
  });
});

describe('a pattern', () => {
  test.each([
    [{ a: ['x'] }, { a: 'x', b: 'y' }, true],
    [{ a: ['x'] }, { a: ['z', 'x'] }, true],
    [{ a: ['x'] }, { a: 'y' }, false],
    [{ a: ['x'] }, {}, false],
    [{ a: { b: [{ prefix: 'H#' }] } }, { a: { b: 'H#1' } }, true],
    [{ a: { b: [{ prefix: 'H#' }] } }, { a: { b: 'K#1' } }, false],
    [{ a: { b: [1] } }, { a: 'text' }, false],
  ] as const)('%j and %j: %s', (pattern, event, expected) => {
    expect(matches(pattern, event)).toBe(expected);
  });
});
