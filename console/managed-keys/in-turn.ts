/** Runs `work` for each item, at most `width` at a time, until the signal says stop. */
export async function inTurn<Item>(
  items: readonly Item[],
  width: number,
  signal: AbortSignal,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: Math.min(width, items.length) }, async () => {
      for (const item of rest) {
        if (signal.aborted) return;
        await work(item);
      }
    }),
  );
}
