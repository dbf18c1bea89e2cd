// Many things of one kind, a few at a time.

/**
 * Does something with each item, a few at a time. What rejects ends it: nothing more is begun.
 *
 * @throws what `run` rejects with first
 */
export async function sideBySide<Item>(items: readonly Item[], run: (item: Item) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await run(next);
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work)).finally(() => waiting.splice(0));
}

/** A burst of work must not become a burst on the API server. */
export const SIDE_BY_SIDE = 10;
