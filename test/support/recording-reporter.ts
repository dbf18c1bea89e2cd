// A reporter that keeps what it is told, and an interruption that a test makes.
import type { Reporter, Told } from '../../local/report.ts';
import type { Interruption } from '../../local/start/interruption.ts';
import type { TimelineEntry } from '../../local/timeline.ts';

/** What was reported. */
export interface RecordingReporter extends Reporter {
  /** Progress, refusals and logs, in their order. */
  readonly lines: readonly string[];
  readonly entries: readonly TimelineEntry[];
  /** What the users of scenarios read. */
  readonly tellings: readonly Told[];
  /** What Terrakube is to be given, once it is known. */
  served(): { readonly executorUrl: string; readonly dispatchUrl: string } | undefined;
}

/** Creates a reporter. */
export function createRecordingReporter(): RecordingReporter {
  const lines: string[] = [];
  const entries: TimelineEntry[] = [];
  const tellings: Told[] = [];
  let served: { executorUrl: string; dispatchUrl: string } | undefined;
  return {
    lines,
    entries,
    tellings,
    served: () => served,
    progress: (text) => void lines.push(text),
    job: () => undefined,
    entry: (entry) => void entries.push(entry),
    functionLog: (_name, line) => void lines.push(line),
    executorLog: (_pod, text) => void lines.push(text),
    serving: (executorUrl, dispatchUrl) => {
      served = { executorUrl, dispatchUrl };
    },
    told: (told) => void tellings.push(told),
    ending: () => undefined,
  };
}

/** Creates an interruption. */
export function createInterruption(): Interruption & { interrupt(): void } {
  const { promise, resolve } = Promise.withResolvers<'interrupted'>();
  return { happened: promise, interrupt: () => resolve('interrupted') };
}
