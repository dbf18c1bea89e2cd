// Work that comes in bursts: what is there twice is done once, what comes again while it is being done is done once more,
// and only a few things are done at the same time.

/** The queue. */
export interface WorkQueue<Item> {
  /** Adds an item; one with the same key that still waits is replaced. */
  add(key: string, item: Item): void;
  /** Whether something with this key waits or is being done. */
  has(key: string): boolean;
  isIdle(): boolean;
  /** Resolves when nothing waits and nothing is being done. */
  idle(): Promise<void>;
  /** Drops what waits, and takes nothing more. */
  close(): void;
}

/** Creates a queue. @param run does one item; it must not reject. */
export function createWorkQueue<Item>(run: (item: Item) => Promise<void>, sideBySide: number): WorkQueue<Item> {
  const waiting = new Map<string, Item>();
  const running = new Set<string>();
  const sleepers: (() => void)[] = [];
  let isClosed = false;
  const isIdle = (): boolean => running.size + waiting.size === 0;
  const start = (): void => {
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
    if (isIdle()) for (const wake of sleepers.splice(0)) wake();
  };
  return {
    add(key, item) {
      if (isClosed) return;
      waiting.set(key, item);
      start();
    },
    has: (key) => waiting.has(key) || running.has(key),
    isIdle,
    idle: () => new Promise((resolve) => (isIdle() ? resolve() : sleepers.push(resolve))),
    close() {
      isClosed = true;
      waiting.clear();
      start();
    },
  };
}
