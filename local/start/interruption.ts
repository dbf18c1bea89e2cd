/** Ctrl-C, or a plain `kill`: the first one asks for an orderly end, a later one ends at once. */
export interface Interruption {
  readonly happened: Promise<'interrupted'>;
}

/** What shells make of an end by SIGINT. */
export const INTERRUPTED_EXIT_CODE = 130;

/** A terminal's Ctrl-C arrives twice: from the terminal itself, and from the parent process that hands it on. */
const sameSignalMs = 1000;

/** Starts to listen to signals, for good. */
export function listenToSignals(): Interruption {
  const { promise, resolve } = Promise.withResolvers<'interrupted'>();
  let firstAt: number | undefined;
  const onSignal = (): void => {
    const now = performance.now();
    firstAt ??= now;
    resolve('interrupted');
    if (now - firstAt > sameSignalMs) process.exit(INTERRUPTED_EXIT_CODE);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return { happened: promise };
}
