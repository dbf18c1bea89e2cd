// Work that comes in bursts: what is there twice is done once, what comes again while it is being done is done once more,
// only a few things are done at the same time, and what is in haste does not wait behind the rest.

/** The queue. */
export interface WorkQueue<Item> {
  /** Adds an item; one with the same key that still waits is replaced. @param isInHaste whether it comes before the others. */
  add(key: string, item: Item, isInHaste?: boolean): void;
  /** Whether something with this key is being done, or waits: among those in haste, when it is to be. */
  has(key: string, isInHaste?: boolean): boolean;
  isIdle(): boolean;
  /** Resolves when nothing waits and nothing is being done. */
  idle(): Promise<void>;
  /** Drops what waits, and takes nothing more. */
  close(): void;
}

/** Creates a queue. @param run does one item; it must not reject. */
export function createWorkQueue<Item>(run: (item: Item) => Promise<void>, sideBySide: number): WorkQueue<Item> {
  const inHaste = new Map<string, Item>();
  const others = new Map<string, Item>();
  const running = new Set<string>();
  const sleepers: (() => void)[] = [];
  let isClosed = false;
  const isIdle = (): boolean => running.size + inHaste.size + others.size === 0;
  const start = (): void => {
    for (const waiting of [inHaste, others]) {
      for (const [key, item] of waiting) {
        if (running.size >= sideBySide) return;
        if (running.has(key)) continue;
        waiting.delete(key);
        running.add(key);
        void run(item).finally(() => {
          running.delete(key);
          start();
        });
      }
    }
    if (isIdle()) for (const wake of sleepers.splice(0)) wake();
  };
  return {
    add(key, item, isInHaste) {
      if (isClosed) return;
      const isFirst = isInHaste || inHaste.has(key);
      if (isFirst) others.delete(key);
      (isFirst ? inHaste : others).set(key, item);
      start();
    },
    has: (key, isInHaste) => running.has(key) || inHaste.has(key) || (!isInHaste && others.has(key)),
    isIdle,
    idle: () => new Promise((resolve) => (isIdle() ? resolve() : sleepers.push(resolve))),
    close() {
      isClosed = true;
      inHaste.clear();
      others.clear();
      start();
    },
  };
}
