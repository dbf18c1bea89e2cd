// A user cancels while the executor is starting, at moments all over its boot. The executor sets its job `running` at the
// end of it without a look, which undoes a cancel that nobody has seen by then; one that was seen must hold.
import { describe, expect, test } from 'vitest';
import { durationMs } from '../../lib/domain/time.ts';
import { ids, terrakubeJob } from '../support/builders.ts';
import { createReconcileWorld, type ReconcileWorld } from '../support/reconcile-world.ts';
import { type StartingExecutor, startExecutor } from '../support/starting-executor.ts';

const BOOT = { bootMs: 7000, heedsStopMs: 2500, workMs: 30_000, callMs: 20 };
/** Then the executor sets its job running, */
const SPEAKS_AT_MS = BOOT.bootMs + BOOT.callMs;
/** and then its step. */
const WORKS_FROM_MS = BOOT.bootMs + 2 * BOOT.callMs;
/** Terrakube is looked at every two seconds, a look at the Job follows, and each call takes a moment. */
const SEEN_WITHIN_MS = 2300;
/** Every millisecond takes half a minute. A prime tries fewer, and meets the moments of the watch in all ways, too. */
const EVERY_MS = Number(process.env['EVERY_MS'] ?? 1);
const PHASE_MS = 211;

/** How it ends. */
interface End {
  readonly job: string | undefined;
  readonly step: string | undefined;
  /** Whether the work of the executor, which is Terraform's, was done. */
  readonly hasWorked: boolean;
}

const CANCELLED: End = { job: 'cancelled', step: 'cancelled', hasWorked: false };

/** Cancels so long after the start of the container. @param phaseMs how long the run has watched when that starts. */
async function cancelAfter(cancelMs: number, phaseMs: number, type: string): Promise<End> {
  const of = ids({ type });
  const world: ReconcileWorld = createReconcileWorld({
    terrakube: [[of, terrakubeJob()]],
    around: async (_, call) => {
      await world.clock.sleep(durationMs(BOOT.callMs / 2));
      const answer = await call();
      await world.clock.sleep(durationMs(BOOT.callMs / 2));
      return answer;
    },
  });
  const { clock, terrakube } = world;
  const started = Promise.withResolvers<StartingExecutor>();
  const run = world.begin({
    cluster: {
      ...world.deps.cluster,
      deletePod: async (...pod) => (await started.promise).cluster.deletePod(...pod),
    },
  });
  clock.at(phaseMs, () => started.resolve(startExecutor(world, { ...BOOT, of })));
  await clock.pass(phaseMs);
  const executor = await started.promise;
  clock.at(cancelMs, executor.cancel);
  // What is left running under a cancelled job follows it in the end.
  await clock.pass(85_000 - phaseMs);
  await clock.until(run);
  const job = terrakube.job(of);
  return { job: job?.status, step: job?.steps[0]?.status, hasWorked: executor.hasWorked() };
}

/** The ends of all cancels between two moments of the boot, without those that are as wanted. */
async function endsOf(from: number, to: number, isWanted: (end: End) => boolean, type = 'terraformApply') {
  const others: { cancelMs: number; end: End }[] = [];
  let tried = 0;
  for (let cancelMs = from; cancelMs < to; cancelMs += EVERY_MS) {
    tried += 1;
    const end = await cancelAfter(cancelMs, 500 + ((tried * PHASE_MS) % 2000), type);
    if (!isWanted(end)) others.push({ cancelMs, end });
  }
  expect(tried).toBeGreaterThan(0);
  return others;
}

const isCancelled = (end: End): boolean => JSON.stringify(end) === JSON.stringify(CANCELLED);

describe('a job that is cancelled while its executor boots', { timeout: 900_000 }, () => {
  test('ends cancelled, and nothing is done for it, as long as somebody could see it in time', async () => {
    expect(await endsOf(0, SPEAKS_AT_MS - SEEN_WITHIN_MS, isCancelled)).toEqual([]);
  });

  test('comes back to life as a whole where nobody could: what stays open', async () => {
    const others = await endsOf(SPEAKS_AT_MS - SEEN_WITHIN_MS, SPEAKS_AT_MS, isCancelled);
    if (process.env['EVERY_MS'])
      console.info(
        `${others.length} undone, the first ${SPEAKS_AT_MS - (others[0]?.cancelMs ?? 0)} ms before it spoke`,
      );
    for (const { end } of others) expect(end).toEqual({ job: 'completed', step: 'completed', hasWorked: true });
  });

  test('ends cancelled between the first two words of its executor', async () => {
    const others = await endsOf(
      SPEAKS_AT_MS,
      WORKS_FROM_MS + 1,
      ({ job, hasWorked }) => job === 'cancelled' && !hasWorked,
      'terraformPlan',
    );
    expect(others).toEqual([]);
  });

  test('and a plan that has just begun is stopped with its last words', async () => {
    const isStopped = ({ job, step, hasWorked }: End) => job === 'cancelled' && step === 'failed' && !hasWorked;
    expect(await endsOf(WORKS_FROM_MS + 1, WORKS_FROM_MS + 1000, isStopped, 'terraformPlan')).toEqual([]);
  });
});
