import { describe, expect, test } from 'vitest';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { gate } from '../../lib/domain/gate.ts';
import type { TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { durationMs } from '../../lib/domain/time.ts';
import { ids, laterStep, reason, step, terrakubeJob } from '../support/builders.ts';

const decide = (job: TerrakubeJob | 'notFound', of = ids(), ageMs = 0) => gate(of, job, durationMs(ageMs));
const skip = (why: string) => ({ kind: 'skip', reason: why });
const GO = { kind: 'go' };
const TOLD = failureTexts(reason(), step()).stepOutput;

describe('a rejected job', () => {
  const approval = ids({ type: 'approval' });
  const rejected = (output: string | null, status = 'failed') =>
    terrakubeJob({ status: 'rejected', steps: [step({ status, output })] });

  test('lets its onReject run start, whose step is failed from the beginning', () => {
    expect(decide(rejected(null), approval)).toEqual(GO);
  });
  test('lets it start also before Terrakube has failed the step', () => {
    expect(decide(rejected(null, 'pending'), approval)).toEqual(GO);
  });
  test('does not let it start again after it has spoken', () => {
    expect(decide(rejected('https://logs'), approval)).toEqual(skip('jobEnded'));
  });
  test('lets no other type start', () => {
    expect(decide(rejected(null))).toEqual(skip('jobEnded'));
  });
  test('lets no step start that it does not have', () => {
    expect(decide(terrakubeJob({ status: 'rejected', steps: [] }), approval)).toEqual(skip('jobEnded'));
  });
});

describe('a job that is gone or has ended', () => {
  test('needs no executor when Terrakube does not know it', () => {
    expect(decide('notFound')).toEqual(skip('jobGone'));
  });
  test.each(['completed', 'failed', 'cancelled', 'noChanges', 'notExecuted', 'a word of a later version'])(
    'needs no executor when it is %s',
    (status) => {
      expect(decide(terrakubeJob({ status }))).toEqual(skip('jobEnded'));
    },
  );
  test('needs no executor when an approval of it was cancelled', () => {
    expect(decide(terrakubeJob({ status: 'cancelled' }), ids({ type: 'approval' }))).toEqual(skip('jobEnded'));
  });
});

describe('a step of a live job', () => {
  test.each(['pending', 'approved', 'queue', 'running'])('that is pending may start while the job is %s', (status) => {
    expect(decide(terrakubeJob({ status, steps: [laterStep(), step()] }))).toEqual(GO);
  });
  test('that runs is not started again', () => {
    expect(decide(terrakubeJob({ steps: [step({ status: 'running' })] }))).toEqual(skip('stepStarted'));
  });
  test.each(['completed', 'failed', 'cancelled', 'notExecuted', ''])('that is "%s" is not started', (status) => {
    expect(decide(terrakubeJob({ steps: [step({ status, output: 'https://logs' })] }))).toEqual(skip('stepEnded'));
  });
  test('that failed without any output is not ours to finish', () => {
    expect(decide(terrakubeJob({ steps: [step({ status: 'failed' })] }))).toEqual(skip('stepEnded'));
  });
  test('that we failed is finished', () => {
    const told = step({ status: 'failed', output: TOLD });
    expect(decide(terrakubeJob({ steps: [told] }))).toEqual({ kind: 'finishTelling' });
  });
  test('that we failed is left alone when its job has ended', () => {
    const told = step({ status: 'failed', output: TOLD });
    expect(decide(terrakubeJob({ status: 'failed', steps: [told] }))).toEqual(skip('jobEnded'));
  });
  test('that completed with our words in it is not failed again', () => {
    const odd = step({ status: 'completed', output: TOLD });
    expect(decide(terrakubeJob({ steps: [odd] }))).toEqual(skip('stepEnded'));
  });
});

describe('a job whose steps do not include ours', () => {
  test('was made anew after a crash of Terrakube', () => {
    expect(decide(terrakubeJob({ steps: [laterStep()] }))).toEqual(skip('superseded'));
  });
  test('was made anew, however old the request is', () => {
    expect(decide(terrakubeJob({ steps: [laterStep()] }), ids(), 10 * 60_000)).toEqual(skip('superseded'));
  });
});

describe('a job without steps', () => {
  const uncommitted = terrakubeJob({ status: 'pending', steps: [] });
  test.each([
    [0, 1],
    [999, 1],
    [1000, 2],
    [2999, 2],
    [3000, 4],
    [6999, 4],
    [7000, 8],
    [14_999, 8],
    [15_000, 15],
    [119_999, 15],
  ])('is waited for: %i ms after the request for %i s', (ageMs, delaySeconds) => {
    expect(decide(uncommitted, ids(), ageMs)).toEqual({ kind: 'wait', delaySeconds });
  });
  test('is given up after two minutes', () => {
    expect(decide(uncommitted, ids(), 120_000)).toEqual(skip('neverCommitted'));
  });
  test('is waited for at the times 1, 3, 7, 15, 30 s and so on', () => {
    const times: number[] = [];
    for (let at = 0; ; ) {
      const decision = decide(uncommitted, ids(), at);
      if (decision.kind !== 'wait') break;
      at += decision.delaySeconds * 1000;
      times.push(at / 1000);
    }
    expect(times).toEqual([1, 3, 7, 15, 30, 45, 60, 75, 90, 105, 120]);
  });
});
