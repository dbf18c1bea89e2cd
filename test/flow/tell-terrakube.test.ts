import { describe, expect, test } from 'vitest';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { finishTelling, type TellDeps, tellTerrakube } from '../../lib/flows/tell-terrakube.ts';
import { ids, laterStep, reason, step, terrakubeJob } from '../support/builders.ts';
import { createInMemoryClock } from '../support/in-memory-clock.ts';
import { createInMemoryTerrakube } from '../support/in-memory-terrakube.ts';
import { tap } from '../support/tap.ts';

const TEXTS = failureTexts(reason(), step());
/** The three lines on one. */
const JOB_OUTPUT = TEXTS.logLines.join(' ');
const FAILED_BY_US = step({ status: 'failed', name: TEXTS.stepName, output: TEXTS.stepOutput });

/** Terrakube with one job; `calls` are the calls and the pauses in their order. `before` may change Terrakube. */
function world(job = terrakubeJob(), before: (call: string) => void = () => undefined) {
  const terrakube = createInMemoryTerrakube();
  const clock = createInMemoryClock();
  terrakube.put(ids(), job);
  const calls: string[] = [];
  const deps: TellDeps = {
    terrakube: tap(terrakube, (method, call) => {
      before(`${calls.push(method)} ${method}`);
      return call();
    }),
    clock: {
      now: clock.now,
      sleep: (duration) => {
        calls.push(`sleep ${duration}`);
        return clock.sleep(duration);
      },
    },
  };
  return {
    terrakube,
    calls,
    tell: () => tellTerrakube(deps, ids(), reason()),
    finish: () => finishTelling(deps, ids()),
  };
}

describe('telling Terrakube that a step cannot run', () => {
  test('goes by log lines, the step, two seconds and the job, each after a look at the job', async () => {
    const { calls, tell } = world();
    expect(await tell()).toBe('told');
    expect(calls).toEqual(['getJob', 'appendLog', 'getJob', 'patchStep', 'sleep 2000', 'getJob', 'patchJob']);
  });

  test('leaves a failed step with the reason in its name and output, and a failed job with the reason', async () => {
    const { terrakube, tell } = world(terrakubeJob({ steps: [step(), laterStep()] }));
    await tell();
    expect(terrakube.job(ids())).toEqual({
      status: 'failed',
      comments: null,
      output:
        'terrakube-dispatcher: the Job was refused What was seen: The Kubernetes API answered 422 Invalid: no image. ' +
        'What to do: Correct the setting.',
      steps: [
        step({
          status: 'failed',
          name: 'Terraform Plan: the Job was refused',
          output:
            'data://text/plain;charset=utf-8,terrakube-dispatcher%3A%20the%20Job%20was%20refused%0A' +
            'What%20was%20seen%3A%20The%20Kubernetes%20API%20answered%20422%20Invalid%3A%20no%20image.%0A' +
            'What%20to%20do%3A%20Correct%20the%20setting.',
        }),
        laterStep({ status: 'failed' }),
      ],
    });
  });

  test('writes the lines for the waiting people first', async () => {
    const { terrakube, tell } = world();
    await tell();
    expect(terrakube.everyLine).toEqual([
      'terrakube-dispatcher: the Job was refused',
      'What was seen: The Kubernetes API answered 422 Invalid: no image.',
      'What to do: Correct the setting.',
    ]);
  });

  test('may be repeated without an effect', async () => {
    const { terrakube, calls, tell } = world();
    await tell();
    const told = terrakube.job(ids());
    calls.length = 0;
    expect(await tell()).toBe('done');
    expect(terrakube.job(ids())).toEqual(told);
    expect(calls).toEqual(['getJob']);
  });

  test.each(['pending', 'approved', 'running'])('comes too early while the job reads %s', async (status) => {
    const job = terrakubeJob({ status });
    const { terrakube, calls, tell } = world(job);
    expect(await tell()).toBe('tooEarly');
    expect(calls).toEqual(['getJob']);
    expect(terrakube.job(ids())).toEqual({ ...job, output: null });
  });

  test.each(['completed', 'failed', 'cancelled', 'rejected', 'a status of a later version'])(
    'has nothing to say about a job that is %s',
    async (status) => {
      const { calls, tell } = world(terrakubeJob({ status }));
      expect(await tell()).toBe('done');
      expect(calls).toEqual(['getJob']);
    },
  );

  test.each(['running', 'completed', 'failed', 'cancelled', 'notExecuted'])(
    'has nothing to say about a step that somebody else set to %s',
    async (status) => {
      const { calls, tell } = world(terrakubeJob({ steps: [step({ status, output: 'https://logs' })] }));
      expect(await tell()).toBe('done');
      expect(calls).toEqual(['getJob']);
    },
  );

  test('has nothing to say about a job that is gone', async () => {
    const { terrakube, tell } = world();
    terrakube.remove(ids());
    expect(await tell()).toBe('done');
  });

  test('has nothing to say about a step that the job does not have', async () => {
    expect(await world(terrakubeJob({ steps: [laterStep()] })).tell()).toBe('done');
  });
});

describe('what happens between the looks', () => {
  const cancelled = { status: 'cancelled' };
  test('a cancel after the log lines leaves step and job alone', async () => {
    const { terrakube, calls, tell } = world(terrakubeJob(), (call) => {
      if (call === '3 getJob') terrakube.changeJob(ids(), cancelled);
    });
    expect(await tell()).toBe('done');
    expect(calls).toEqual(['getJob', 'appendLog', 'getJob']);
    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob(cancelled), output: null });
  });

  test('a cancel in the two seconds leaves the job cancelled', async () => {
    const { terrakube, calls, tell } = world(terrakubeJob(), (call) => {
      if (call === '6 getJob') terrakube.changeJob(ids(), cancelled);
    });
    expect(await tell()).toBe('done');
    expect(calls).not.toContain('patchJob');
    expect(terrakube.job(ids())).toMatchObject(cancelled);
  });

  test('an executor that speaks meanwhile is not contradicted', async () => {
    const running = { status: 'running', output: 'https://logs' };
    const { terrakube, tell } = world(terrakubeJob(), (call) => {
      if (call === '3 getJob') terrakube.changeStep(ids(), running);
    });
    expect(await tell()).toBe('done');
    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob({ steps: [step(running)] }), output: null });
  });

  test('a job that Terrakube writes down again meanwhile is told later', async () => {
    const { terrakube, tell } = world(terrakubeJob(), (call) => {
      if (call === '3 getJob') terrakube.changeJob(ids(), { status: 'pending' });
    });
    expect(await tell()).toBe('tooEarly');
  });

  test('another teller that was faster with the step is helped with the job', async () => {
    const { terrakube, calls, tell } = world(terrakubeJob(), (call) => {
      if (call === '3 getJob') terrakube.changeStep(ids(), FAILED_BY_US);
    });
    expect(await tell()).toBe('told');
    expect(calls).not.toContain('patchStep');
    expect(terrakube.job(ids())).toEqual({
      status: 'failed',
      comments: null,
      output: JOB_OUTPUT,
      steps: [FAILED_BY_US],
    });
  });

  test('a step that was renamed meanwhile keeps its new name in front of the reason', async () => {
    const { terrakube, tell } = world(terrakubeJob(), (call) => {
      if (call === '3 getJob') terrakube.changeStep(ids(), { name: 'Renamed' });
    });
    await tell();
    expect(terrakube.job(ids())?.steps).toMatchObject([{ name: 'Renamed: the Job was refused' }]);
  });
});

describe('a tell that was stopped between step and job', () => {
  const halfTold = terrakubeJob({ steps: [FAILED_BY_US, laterStep()] });

  test.each(['tell', 'finish'] as const)('is finished by the next %s, with the words of the step', async (how) => {
    const { terrakube, calls, ...next } = world(halfTold);
    expect(await next[how]()).toBe('told');
    expect(calls).not.toContain('patchStep');
    expect(calls).not.toContain('appendLog');
    expect(terrakube.job(ids())).toEqual({
      status: 'failed',
      comments: null,
      output: JOB_OUTPUT,
      steps: [FAILED_BY_US, laterStep({ status: 'failed' })],
    });
  });

  test('fails the job also when the words cannot be read any more', async () => {
    const broken = { ...FAILED_BY_US, output: 'data://text/plain;charset=utf-8,terrakube-dispatcher%3A%20%E0%A4%A' };
    const { terrakube, finish } = world(terrakubeJob({ steps: [broken] }));
    expect(await finish()).toBe('told');
    expect(terrakube.job(ids())).toEqual({ status: 'failed', comments: null, output: null, steps: [broken] });
  });

  test('waits while Terrakube writes the job down', async () => {
    const { calls, finish } = world({ ...halfTold, status: 'pending' });
    expect(await finish()).toBe('tooEarly');
    expect(calls).toEqual(['getJob']);
  });

  test('leaves a job alone whose step somebody else failed', async () => {
    const { calls, finish } = world(terrakubeJob({ steps: [step({ status: 'failed', output: 'https://logs' })] }));
    expect(await finish()).toBe('done');
    expect(calls).toEqual(['getJob']);
  });
});
