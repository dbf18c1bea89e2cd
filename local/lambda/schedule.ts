/**
 * EventBridge Scheduler: invokes a function soon after its start and then again and again, whatever became of the runs
 * before. A run that takes longer overlaps with the next one, in a second sandbox, and nothing is tried twice.
 *
 * @see https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
 */
import { randomBytes } from 'node:crypto';
import type { FunctionSpec } from './read-template.ts';
import type { LambdaRuntime } from './runtime.ts';

/** A schedule that runs. */
export interface Schedule {
  /** Ends it. A run that is under way goes on until its sandbox is closed. */
  close(): Promise<void>;
}

/** When the first run starts, at the latest. */
const FIRST_MS = 1000;

/** Starts the schedules of all functions. @param everyMs replaces what the template says. */
export function startSchedules(
  functions: readonly FunctionSpec[],
  { invoke }: Pick<LambdaRuntime, 'invoke'>,
  { everyMs }: { readonly everyMs?: number } = {},
): readonly Schedule[] {
  return functions.flatMap(({ name, events }) =>
    events.flatMap((event) =>
      event.kind === 'schedule'
        ? [startSchedule(everyMs ?? event.everyMs, () => invoke(name, inputOf(event.input, new Date())))]
        : [],
    ),
  );
}

function startSchedule(everyMs: number, run: () => Promise<unknown>): Schedule {
  // A run never rejects, and nobody waits for it.
  const tick = (): void => void run();
  let timer = setTimeout(
    () => {
      tick();
      timer = setInterval(tick, everyMs);
    },
    Math.min(FIRST_MS, everyMs),
  );
  return { close: async () => clearTimeout(timer) };
}

/** The event of one run: the input of the schedule, with what EventBridge Scheduler puts in. */
function inputOf(input: string, scheduledAt: Date): unknown {
  const attributes: Readonly<Record<string, string>> = {
    'scheduled-time': `${scheduledAt.toISOString().slice(0, 19)}Z`,
    'execution-id': randomBytes(8).toString('hex'),
    'attempt-number': '1',
  };
  return JSON.parse(input.replace(/<aws\.scheduler\.([a-z-]+)>/g, (whole, name) => attributes[name] ?? whole));
}
