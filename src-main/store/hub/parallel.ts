/** @file Runs asynchronous work with a limit on how much runs at the same time. */

/**
 * Calls `work` on every item, at most `concurrency` at a time. Returns the results in the order of `items`.
 * After a failure no more work starts; the failure is thrown when the running work has ended.
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = new Array<R>(items.length);
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const runNext = async (): Promise<void> => {
    while (next < items.length && !failure) {
      const index = next++;
      try {
        results[index] = await work(items[index]!);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, runNext));
  if (failure) throw failure.error;
  return results;
}
