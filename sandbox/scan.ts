import * as z from 'zod/mini';

const SCAN = z.object({
  name: z.string(),
  health: z.string(),
  message: z.string(),
  keys: z.number(),
  written: z.number(),
});
const SWEPT = z.object({
  outcome: z.enum(['done', 'more', 'answered']),
  state: z.object({
    etaSeconds: z.optional(z.number()),
    keystores: z.record(z.string(), z.object({ scan: SCAN })),
  }),
});

export type ScannedKeystore = z.infer<typeof SCAN>;

/** How far a scan is. `etaSeconds`: until the slowest scope is done, at the pace of now. */
export interface ScanProgress {
  readonly keys: number;
  readonly etaSeconds: number;
}

const SCOPES_AT_ONCE = 8;

/**
 * Has every keystore swept to the end by the functions that the queue invokes, and waits for it: asks for the scopes, then hands each to
 * `scan-keystore` until nothing is left, telling in between how far it is.
 */
export async function scanNow(
  invoke: (name: string, event: unknown) => Promise<unknown>,
  options: { readonly seconds?: number; readonly progress?: (progress: ScanProgress) => void } = {},
): Promise<readonly ScannedKeystore[]> {
  const asked = z.object({ messages: z.array(z.unknown()) }).parse(await invoke('scan-schedule', { send: false }));
  const waiting = asked.messages.map((message, at) => ({ message, at }));
  const done = new Map<number, readonly ScannedKeystore[]>();
  const etas = new Map<number, number>();
  const tell = () => {
    const keys = [...done.values()].flat().reduce((sum, scan) => sum + scan.keys, 0);
    options.progress?.({ keys, etaSeconds: Math.max(0, ...etas.values()) });
  };
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      for (;;) {
        const { outcome, state } = SWEPT.parse(
          await invoke('scan-keystore', { message: next.message, seconds: options.seconds ?? 5 }),
        );
        done.set(
          next.at,
          Object.values(state.keystores).map(({ scan }) => scan),
        );
        etas.set(next.at, state.etaSeconds ?? 0);
        tell();
        if (outcome !== 'more') break;
      }
    }
  };
  await Promise.all(Array.from({ length: SCOPES_AT_ONCE }, worker));
  return [...done.values()].flat();
}
