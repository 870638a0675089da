import pMap from 'p-map';

/**
 * Does `work` for each of these, at most so many at once, and answers what each made, in their order. One that fails does not keep the
 * others from being worked on; when all have come to their end, the first failure is thrown, also where the source itself failed. So nothing
 * goes on behind the back of a function that has answered.
 */
export async function inParallel<Item, Made>(
  items: Iterable<Item> | AsyncIterable<Item>,
  work: (item: Item) => Promise<Made>,
  concurrency: number,
): Promise<Made[]> {
  const made: Made[] = [];
  const failures: Error[] = [];
  let begun = 0;
  const underWay = new Set<Promise<void>>();
  const failed = (error: unknown) => {
    failures.push(error instanceof Error ? error : new Error(String(error)));
  };
  try {
    await pMap(
      items,
      async (item) => {
        const place = begun;
        begun += 1;
        const one = work(item).then((value) => {
          made[place] = value;
        }, failed);
        underWay.add(one);
        await one;
        underWay.delete(one);
      },
      { concurrency },
    );
  } catch (error) {
    // Only the source can have failed: nothing further is begun.
    failed(error);
    await Promise.all(underWay);
  }
  const [first] = failures;
  if (first !== undefined) throw first;
  return made;
}
