// One plan job that comes to what a real cluster was recorded to show, and what its user reads of it in the end.
import { isObject, type JsonObject, listAt } from '../json.ts';
import type { Reporter, Told } from '../report.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { type Stack, type StackOptions, startStack } from '../stack.ts';
import { createTimeline } from '../timeline.ts';
import { INTERRUPTED_EXIT_CODE, type Interruption } from './interruption.ts';

/** What playing needs. */
export interface Play {
  readonly scenario: Scenario;
  readonly stackOptions: StackOptions;
  readonly report: Reporter;
  readonly interruption: Interruption;
  /** Keep running after the end. */
  readonly watch: boolean;
}

/** How long a scenario may take before it counts as stuck. */
const LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 100;

/** Plays a scenario. @returns the exit code: 0 when it ended as recorded. */
export async function playScenario({ scenario, stackOptions, report, interruption, watch }: Play): Promise<number> {
  const timeline = createTimeline(() => performance.now(), report.entry);
  const log: string[] = [];
  const progress = { isSuspended: false };
  const stack = await startStack({
    ...stackOptions,
    scenario: { scenarioOf: () => scenario, onNote: report.progress },
    terrakube: {
      onEvent: (event) => {
        timeline.terrakube(event);
        if (event.kind === 'log' && event.text !== undefined) log.push(event.text);
      },
    },
    onClusterChange: (change) => {
      timeline.cluster(change);
      progress.isSuspended ||= isSuspended(change.object);
    },
  });
  try {
    report.progress(`Playing ${scenario.name}: ${scenario.description}`);
    const told = await Promise.race([runJob(stack, scenario, { report, log, progress }), interruption.happened]);
    if (told === 'interrupted') return INTERRUPTED_EXIT_CODE;
    report.told(told);
    if (watch) {
      report.progress('Watching. Ctrl-C ends it.');
      await interruption.happened;
    }
    return told.isAsRecorded ? 0 : 1;
  } finally {
    await stack.close();
  }
}

interface Seen {
  readonly report: Reporter;
  readonly log: readonly string[];
  /** Of a Job that somebody suspends, nothing is told: it is theirs to resume. */
  readonly progress: { readonly isSuspended: boolean };
}

const isSuspended = (object: JsonObject): boolean =>
  object['kind'] === 'Job' &&
  listAt(object, 'status', 'conditions')
    .filter(isObject)
    .some(({ type, status }) => type === 'Suspended' && status === 'True');

async function runJob(
  { terrakube }: Pick<Stack, 'terrakube'>,
  { name, ends }: Scenario,
  { report, log, progress }: Seen,
): Promise<Told> {
  const type = 'terraformPlan';
  const { jobId } = terrakube.createJob({ steps: [{ type, name: 'Plan' }] });
  report.job(jobId, type);
  const isOver = (): boolean =>
    terrakube.job(jobId).status === 'failed' ||
    (ends === 'waiting' && (progress.isSuspended || log.some((text) => text.includes('waiting:'))));
  const end = performance.now() + LIMIT_MS;
  while (!isOver() && performance.now() < end) {
    // After an interruption nobody waits any more: the timer must not hold the process.
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS).unref());
  }
  const [step] = terrakube.job(jobId).steps;
  const stepStatus = step?.status ?? '';
  return {
    ...{ scenario: name, stepStatus, stepName: step?.name ?? '', output: textOf(step?.output ?? ''), log },
    isAsRecorded: stepStatus === (ends === 'waiting' ? 'pending' : 'failed'),
  };
}

/** Terrakube's UI shows what a step's output links to; ours is a data URL. */
function textOf(output: string): string {
  const [, encoded] = /^data:[^,]*,(.*)$/s.exec(output) ?? [];
  return encoded === undefined ? output : decodeURIComponent(encoded);
}
