// Two demo jobs, a plan and an apply, on stand-ins for Terrakube and whatever else the options leave to them.
import { fileURLToPath } from 'node:url';
import { prepareOwnDispatch } from '../own-dispatch.ts';
import type { Reporter } from '../report.ts';
import { type ClusterStarter, type Stack, type StackOptions, startStackOn } from '../stack.ts';
import { createTimeline } from '../timeline.ts';
import { INTERRUPTED_EXIT_CODE, type Interruption } from './interruption.ts';

/** What the demo needs. */
export interface Demo {
  readonly start: ClusterStarter;
  readonly stackOptions: StackOptions;
  readonly report: Reporter;
  readonly interruption: Interruption;
  /** Keep running after the two jobs. */
  readonly watch: boolean;
}

/** How long the demo may take before it counts as stuck. */
const DEMO_LIMIT_MS = 120_000;
const CACHE = fileURLToPath(new URL('../../.cache/start/', import.meta.url));

/** Plays the demo. @returns the exit code: 0 when both jobs completed. */
export async function playDemo({ start, stackOptions, report, interruption, watch }: Demo): Promise<number> {
  const ended = createLatch();
  let isPreparing = false;
  const timeline = createTimeline(
    () => performance.now(),
    (entry) => {
      report.entry(entry);
      if (['completed', 'failed', 'cancelled'].includes(entry.moment)) ended.tell(entry.jobId, entry.moment);
    },
  );
  const stack = await startStackOn(start, {
    ...stackOptions,
    terrakube: {
      onEvent: (event) => {
        if (!isPreparing) timeline.terrakube(event);
      },
    },
    onClusterChange: (change) => timeline.cluster(change),
  });
  try {
    const results = await Promise.race([runJobs(stack, report, ended), interruption.happened]);
    if (results === 'interrupted') return INTERRUPTED_EXIT_CODE;
    isPreparing = true;
    const own = await prepareOwnDispatch(stack, CACHE);
    isPreparing = false;
    report.ending(results, own);
    if (watch) {
      report.progress('Watching. Ctrl-C ends it.');
      await interruption.happened;
    }
    return results.every((result) => result === 'completed') ? 0 : 1;
  } finally {
    await stack.close();
  }
}

/** One plan, then one apply: each is a Terrakube job of its own, with its own executor. */
async function runJobs(stack: Pick<Stack, 'terrakube'>, report: Reporter, ended: Latch): Promise<readonly string[]> {
  const results: string[] = [];
  for (const type of ['terraformPlan', 'terraformApply']) {
    const { jobId } = stack.terrakube.createJob({
      steps: [{ type, name: type === 'terraformPlan' ? 'Plan' : 'Apply' }],
      variables: { region: 'eu-west-1' },
      environmentVariables: { workspaceName: 'demo', organizationName: 'simple', TF_IN_AUTOMATION: '1' },
    });
    report.job(jobId, type);
    results.push(await ended.wait(jobId, DEMO_LIMIT_MS));
  }
  return results;
}

/** Lets one part of the program wait for what another part learns. */
interface Latch {
  tell(key: string, value: string): void;
  /** Gives the value, or `timeout`. */
  wait(key: string, limitMs: number): Promise<string>;
}

function createLatch(): Latch {
  const known = new Map<string, string>();
  const waiting = new Map<string, (value: string) => void>();
  return {
    tell(key, value) {
      known.set(key, value);
      waiting.get(key)?.(value);
    },
    wait(key, limitMs) {
      return new Promise((resolve) => {
        const value = known.get(key);
        if (value !== undefined) return resolve(value);
        // After an interruption nobody waits any more: the timer must not hold the process.
        const timer = setTimeout(resolve, limitMs, 'timeout').unref();
        waiting.set(key, (told) => {
          clearTimeout(timer);
          resolve(told);
        });
      });
    },
  };
}
