import { describe, expect, test } from 'vitest';
import { ids, laterStep, NOON, reason, step, terrakubeJob } from '../support/builders.ts';
import {
  blocker,
  failed,
  finding,
  type InputChanges,
  lasting,
  noNode,
  running,
  secondsAgo,
  succeeded,
  suspended,
  waiting,
} from '../support/verdict-builders.ts';
import {
  adviceOn,
  apply,
  approval,
  CAUTION,
  decide,
  gives,
  intent,
  job,
  kindOf,
  PLAN,
  SAFE,
  stops,
  TELL_JOB,
  told,
} from '../support/verdict-words.ts';

describe('rows 16 to 21, a Job that waits', () => {
  test.each(['cancelled', 'gone'])('row 16 stops it when its job is %s', (how) => {
    const terrakube = how === 'gone' ? 'notFound' : job('cancelled', step({ status: 'cancelled' }));
    const title = how === 'gone' ? 'its job is gone from Terrakube' : 'cancelled in Terrakube';
    const evidence = 'The job was cancelled before its executor had started.';
    expect(decide({ outcome: waiting(), terrakube })).toEqual(
      gives(16, stops('cancel', 'cancelled', { deletePod: true })(title, evidence)),
    );
    expect(decide({ outcome: suspended(), terrakube })).toEqual(
      gives(16, stops('cancel', 'cancelled')(title, evidence)),
    );
  });
  test("row 17 stops it quietly when Terrakube's heartbeat check failed it, and says so", () => {
    const outcome = waiting({ blocker: noNode });
    expect(decide({ outcome, terrakube: job('failed', step({ status: 'failed' })) })).toEqual(
      gives(
        17,
        stops('quiet', 'swept', { deletePod: true })(
          "failed by Terrakube's heartbeat check while waiting: no node fits: 0/5 nodes are available",
          `The job is failed, the step is failed. ${noNode.evidence}`,
          `${SAFE} Terrakube gives up a job that nobody keeps alive (setting KeepAlive).`,
        ),
      ),
    );
  });
  test.each([
    ['has ended otherwise', job('completed', step({ status: 'notExecuted' }))],
    ['does not wait for it', job('queue', step({ status: 'completed' }), laterStep())],
    ['has our step no more', job('queue', laterStep())],
  ])('row 17 stops it quietly when its job %s', (_, terrakube) => {
    expect(decide({ outcome: suspended(), terrakube })).toMatchObject({
      row: 17,
      action: { kind: 'stop', verdict: { action: 'quiet', cause: 'notNeeded' }, deletePod: false },
    });
  });
  test('row 17 does not believe so soon in a job without any step', () => {
    const look = { outcome: waiting({ blocker: noNode }), terrakube: terrakubeJob({ steps: [] }) };
    expect(kindOf(look)).toBe('21 leave');
    expect(kindOf({ ...look, facts: { payloadAge: lasting(1501) } })).toBe('17 stop');
  });
  test('row 18 starts a step again whose payload is too old', () => {
    const old = { facts: { payloadAge: lasting(1501) } };
    const evidence = `${noNode.evidence} (The step has waited for 25 minutes.)`;
    expect(decide({ outcome: waiting({ blocker: noNode }), ...old })).toEqual(
      gives(18, stops('restart', 'unschedulable')(noNode.title, evidence, adviceOn('unschedulable'))),
    );
    expect(decide({ outcome: suspended(), ...old })).toEqual(
      gives(
        18,
        stops('restart', 'unknown')(
          'waited 25 minutes for the cluster',
          'The Kubernetes Job was made, and its container has not started. (The step has waited for 25 minutes.)',
          adviceOn('unknown'),
        ),
      ),
    );
  });
  test.each<[string, InputChanges]>([
    ['its container may have run', { outcome: waiting({ blocker: noNode, everStarted: 'unknown' }) }],
    ['its step is not pending', { terrakube: job('running', step({ status: 'running' })) }],
    ['no start is left', { facts: { startsLeft: 0, payloadAge: lasting(1501) } }],
    ['it is an approval', { ids: approval }],
  ])('row 18 fails it when %s', (_, changes) => {
    const look = { outcome: waiting({ blocker: noNode }), facts: { payloadAge: lasting(1501) }, ...changes };
    expect(decide(look)).toMatchObject({
      row: 18,
      action: { kind: 'stop', verdict: { action: 'fail', cause: 'unschedulable', title: noNode.title } },
    });
  });
  test('row 18 goes by the age of the Job when the age of the payload is not known', () => {
    const at = (seconds: number) =>
      kindOf({ outcome: waiting({ since: secondsAgo(seconds) }), facts: { payloadAge: undefined } });
    expect([at(1500), at(1501)]).toEqual(['21 keepAlive', '18 stop']);
  });
  test('row 19 fails a step whose cause does not pass', () => {
    const evidence = `${blocker().evidence} (The step has waited for 60 s.)`;
    expect(decide({ outcome: waiting({ blocker: blocker(), since: secondsAgo(120) }) })).toEqual(
      gives(19, stops('fail', 'imagePull')(blocker().title, evidence, adviceOn('imagePull'))),
    );
    expect(decide({ outcome: waiting({ blocker: blocker({ grace: lasting(0) }), since: NOON }) }).row).toBe(19);
  });
  test('row 19 starts a step again whose cause may pass', () => {
    const late = { blocker: blocker({ restartable: true }), since: secondsAgo(120) };
    expect(decide({ outcome: waiting(late) })).toMatchObject({ row: 19, action: { verdict: { action: 'restart' } } });
    expect(decide({ ids: apply, outcome: waiting({ ...late, everStarted: 'unknown' }) })).toMatchObject({
      row: 19,
      action: { verdict: { action: 'fail', advice: expect.stringContaining(CAUTION) } },
    });
  });
  test('row 20 explains what it waits for', () => {
    const outcome = waiting({ blocker: blocker(), since: secondsAgo(119) });
    expect(decide({ outcome })).toEqual(gives(20, { kind: 'explain', text: blocker().title, keepAlive: true }));
    expect(decide({ outcome, settings: { keepAlive: false } })).toEqual(
      gives(20, { kind: 'explain', text: blocker().title, keepAlive: false }),
    );
  });
  test('row 20 says nothing of a cause that nobody knows before it has lasted a minute', () => {
    const unclear = { cause: 'unknown', grace: lasting(900), restartable: false } as const;
    const since = (seconds: number) => waiting({ blocker: blocker(unclear), since: secondsAgo(seconds) });
    expect(decide({ outcome: since(59) })).toEqual(gives(20, { kind: 'keepAlive', text: 'the executor is starting' }));
    expect(kindOf({ outcome: since(59), settings: { keepAlive: false } })).toBe('20 leave');
    expect(kindOf({ outcome: since(60) })).toBe('20 explain');
  });
  test('row 21 keeps a job alive that waits in the queue', () => {
    expect(decide({ outcome: waiting() })).toEqual(gives(21, { kind: 'keepAlive', text: 'the executor is starting' }));
    expect(decide({ outcome: suspended() })).toEqual(gives(21, { kind: 'keepAlive', text: 'the Job is suspended' }));
  });
  test('row 21 writes no comments where they could undo something', () => {
    expect(kindOf({ terrakube: job('pending') })).toBe('21 leave');
    expect(kindOf({ settings: { keepAlive: false } })).toBe('21 leave');
  });
});

describe('rows 22 to 26, a container that runs', () => {
  const cancelled = (output: string | null) => job('cancelled', step({ status: 'cancelled', output }));
  const RUNNING = 'The job was cancelled while its executor was running.';

  test('row 22 stops an executor at once that has not spoken, whatever its type', () => {
    const logLine = 'cancelled: the executor is stopped before it has begun';
    expect(decide({ ids: apply, outcome: running(), terrakube: cancelled(null) })).toEqual(
      gives(22, stops('cancel', 'cancelled', { deletePod: true, logLine })('cancelled in Terrakube', RUNNING, CAUTION)),
    );
  });
  test('row 23 stops a running plan with its grace period', () => {
    const logLine = 'cancelled: the running plan is stopped';
    expect(decide({ outcome: running(), terrakube: cancelled('https://log') })).toEqual(
      gives(23, stops('cancel', 'cancelled', { logLine })('cancelled in Terrakube', RUNNING, PLAN)),
    );
    expect(decide({ outcome: running(), terrakube: 'notFound' })).toEqual(
      gives(23, stops('cancel', 'cancelled')('its job is gone from Terrakube', RUNNING, PLAN)),
    );
  });
  test.each(['terraformApply', 'terraformDestroy', 'customScripts', 'approval', 'of a later version'])(
    'row 23 leaves a running %s alone, and says so',
    (type) => {
      expect(decide({ ids: ids({ type }), outcome: running(), terrakube: cancelled('https://log') })).toEqual(
        gives(23, {
          kind: 'leave',
          why: `cancelled, but a running ${type} is left alone`,
          logLine: `cancelled: the running ${type} is left to end by itself: ended half-way it could leave the state locked or partly applied (CancelRunningApply is off)`,
        }),
      );
    },
  );
  test('row 23 says nothing in the log of a job that is gone', () => {
    expect(decide({ ids: apply, outcome: running(), terrakube: 'notFound' })).toEqual(
      gives(23, { kind: 'leave', why: 'cancelled, but a running terraformApply is left alone' }),
    );
  });
  test('row 23 stops a running apply where that is wanted', () => {
    const logLine =
      'cancelled: the running terraformApply is stopped (CancelRunningApply); its state may be locked or partly applied';
    const terrakube = cancelled('https://log');
    expect(decide({ ids: apply, outcome: running(), terrakube, settings: { cancelRunningApply: true } })).toEqual(
      gives(23, stops('cancel', 'cancelled', { logLine })('cancelled in Terrakube', RUNNING, CAUTION)),
    );
  });
  test('row 24 leaves an executor whose job has ended: it may still report', () => {
    expect(decide({ outcome: running(), terrakube: job('failed', step({ status: 'failed' })) })).toEqual(
      gives(24, { kind: 'leave', why: 'the job has ended, and its executor may still report' }),
    );
  });
  test('row 25 stops an executor that never speaks', () => {
    expect(decide({ outcome: running({ startedAt: secondsAgo(1801) }) })).toEqual(
      gives(
        25,
        stops('fail', 'silent')(
          'executor runs but reports nothing',
          'The container has been running for 30 minutes, and the step is still pending. An image older than the Terrakube API hangs like this.',
          adviceOn('silent'),
        ),
      ),
    );
    expect(decide({ outcome: running({ startedAt: secondsAgo(1800) }) }).row).toBe(26);
    const terrakube = job('running', step({ status: 'running' }));
    expect(decide({ outcome: running({ startedAt: secondsAgo(9999) }), terrakube }).row).toBe(26);
  });
  test('row 26 leaves an executor at its work, and keeps its job alive once more at its start', () => {
    expect(decide({ outcome: running() })).toEqual(gives(26, { kind: 'leave', why: 'the executor is at work' }));
    const justStarted = running({ startedAt: secondsAgo(3) });
    expect(decide({ outcome: justStarted })).toEqual(
      gives(26, { kind: 'keepAlive', text: 'the executor is starting' }),
    );
    expect(decide({ outcome: justStarted, terrakube: job('running', step({ status: 'running' })) }).action.kind).toBe(
      'leave',
    );
  });
});

describe('rows 27 to 30, what an ended Job leaves to do for its job', () => {
  test('row 27 finishes a half-told job', () => {
    for (const outcome of [succeeded(), failed(), failed({ intent: intent('restart') })]) {
      expect(decide({ outcome, terrakube: job('queue', told, laterStep()) })).toEqual(gives(27, TELL_JOB));
    }
  });
  test('row 28 cancels a live job at once whose steps were cancelled', () => {
    const terrakube = job('queue', step({ status: 'cancelled' }), laterStep({ status: 'cancelled' }));
    expect(decide({ outcome: succeeded(), terrakube })).toEqual(
      gives(28, { kind: 'patchJob', status: 'cancelled', reason: undefined }),
    );
  });
  test('row 28 fails a live job whose steps have all ended', () => {
    const terrakube = job('queue', step({ status: 'completed' }), laterStep({ status: 'failed' }));
    const look = { outcome: succeeded(), terrakube };
    expect(decide({ ...look, facts: { unchangedFor: lasting(60) } })).toEqual(
      gives(28, {
        kind: 'patchJob',
        status: 'failed',
        reason: {
          title: 'the job has no step left to run',
          evidence: 'The job is queue, none of its steps is pending or running, and nothing has changed for 60 s.',
          advice: 'Look at the results of its steps, then run the job again if something is missing.',
        },
      }),
    );
    expect(decide({ ...look, facts: { unchangedFor: lasting(59) } }).row).toBe(37);
    expect(decide({ ...look, facts: { unchangedFor: lasting(60), hasUnfinishedJobOfTerrakubeJob: true } }).row).toBe(
      37,
    );
  });
  test.each(['pending', 'approved'])('row 28 lets Terrakube complete a job that is %s', (status) => {
    const facts = { unchangedFor: lasting(9999) };
    expect(kindOf({ outcome: succeeded(), terrakube: job(status, step({ status: 'completed' })), facts })).toBe(
      '37 leave',
    );
  });
  test('row 29 fails a job that its executor did not report', () => {
    const terrakube = job('running', step({ status: 'completed' }), laterStep());
    const facts = { unchangedFor: lasting(60) };
    expect(decide({ outcome: succeeded(), terrakube, facts })).toEqual(
      gives(29, {
        kind: 'patchJob',
        status: 'failed',
        reason: {
          title: 'executor ended between reporting the step and the job',
          evidence: 'The step is completed, its Kubernetes Job ended 300 s ago, and the job still reads running.',
          advice: "The step's own result stands. Run the job again for the steps that remain.",
        },
      }),
    );
    const kinds = [
      decide({ outcome: succeeded({ endedAt: secondsAgo(59) }), terrakube, facts }),
      decide({ outcome: succeeded(), terrakube, facts: { unchangedFor: lasting(59) } }),
      decide({ outcome: succeeded(), terrakube, facts: { ...facts, hasUnfinishedJobOfTerrakubeJob: true } }),
      decide({
        outcome: succeeded(),
        terrakube: job('running', step({ status: 'completed' }), laterStep({ status: 'running' })),
        facts,
      }),
    ];
    expect(kinds.map(({ row }) => row)).toEqual([37, 37, 37, 37]);
  });
  test('row 30 waits for a report that may be under way', () => {
    expect(decide({ outcome: succeeded({ endedAt: secondsAgo(9) }) })).toEqual(
      gives(30, { kind: 'leave', why: 'the report may be under way' }),
    );
  });
});

describe('rows 31 to 34, an ended Job whose step is open', () => {
  const runs = job('running', step({ status: 'running', output: 'https://log' }));

  test('row 31 fails a step whose executor never reached Terrakube', () => {
    expect(decide({ ids: apply, outcome: succeeded({ endedAt: secondsAgo(10) }) })).toEqual(
      gives(31, {
        kind: 'fail',
        cause: 'neverReported',
        reason: {
          title: 'executor could not reach Terrakube or sign in to it',
          evidence: 'The container ended with exit code 0 and its executor has never reported.',
          advice:
            "Check AzBuilderApiUrl and InternalSecret in the executor's Secret, and the way from the cluster to the API. Nothing was run: safe to run again.",
        },
      }),
    );
  });
  test('row 32 fails a step whose result was lost', () => {
    const lost = (advice: string) =>
      gives(32, {
        kind: 'fail',
        cause: 'lostCallback',
        reason: {
          title: 'executor ended without reporting its result',
          evidence:
            'The container ended with exit code 0, and the step still reads running. Terraform may have succeeded.',
          advice,
        },
      });
    expect(decide({ ids: apply, outcome: succeeded(), terrakube: runs })).toEqual(
      lost(`Look at the state before you run it again. ${CAUTION}`),
    );
    expect(decide({ outcome: succeeded(), terrakube: runs })).toEqual(lost(PLAN));
  });
  test('row 33 records a restart for a cause that may pass', () => {
    const { title, evidence } = finding();
    expect(decide({ outcome: failed() })).toEqual(
      gives(33, {
        kind: 'restart',
        phase: 'record',
        reason: { title, evidence, advice: adviceOn('disrupted') },
        cause: 'disrupted',
      }),
    );
  });
  test.each<[string, InputChanges]>([
    ['its cause does not pass', { outcome: failed({ restartable: false }) }],
    ['its container may have run', { outcome: failed({ everStarted: 'unknown' }) }],
    ['its step runs', { outcome: failed(), terrakube: runs }],
    ['no start is left', { outcome: failed(), facts: { startsLeft: 0 } }],
    ['it is an approval', { outcome: failed(), ids: approval }],
    ['it has a verdict', { outcome: failed({ intent: intent('quiet') }) }],
    ['it has a verdict that nobody can read', { outcome: failed({ intent: 'unreadable' }) }],
  ])('row 34 fails a step with the cause when %s', (_, changes) => {
    expect(kindOf(changes)).toBe('34 fail');
  });
  test('row 34 says what may have happened to the state', () => {
    const oom = finding({ cause: 'outOfMemory', title: 'out of memory (limit 512Mi)', restartable: false });
    expect(decide({ ids: apply, outcome: failed({ ...oom, everStarted: 'yes' }), terrakube: runs })).toEqual(
      gives(34, {
        kind: 'fail',
        cause: 'outOfMemory',
        reason: { title: oom.title, evidence: oom.evidence, advice: adviceOn('outOfMemory').replace(SAFE, CAUTION) },
      }),
    );
  });
  test('an older Job of the step says nothing', () => {
    const facts = { isNewest: false, unchangedFor: lasting(9999) };
    for (const outcome of [succeeded(), failed(), failed({ intent: intent('quiet') })]) {
      expect(kindOf({ outcome, facts })).toBe('37 leave');
      expect(kindOf({ outcome, facts, terrakube: runs })).toBe('37 leave');
      expect(kindOf({ outcome, facts, terrakube: job('cancelled', step({ status: 'running' })) })).toBe('37 leave');
      expect(kindOf({ outcome, facts, terrakube: job('failed', step({ status: 'failed' })) })).toBe('37 leave');
    }
  });
});

describe('rows 35 to 37, an ended job', () => {
  const left = (status: string, of = 'running') => job(status, step({ status: of, output: 'https://log' }));
  const seen = { facts: { unchangedFor: lasting(10) } };
  const oom = failed({ cause: 'outOfMemory', title: 'out of memory', restartable: false, everStarted: 'yes' });

  test('row 35 ends a step that still runs under it', () => {
    const texts = {
      title: 'out of memory',
      evidence: finding().evidence,
      advice: adviceOn('outOfMemory').replace(SAFE, PLAN),
    };
    expect(decide({ outcome: oom, terrakube: left('cancelled'), ...seen })).toEqual(
      gives(35, { kind: 'patchStep', status: 'cancelled', reason: texts }),
    );
    expect(decide({ outcome: oom, terrakube: left('failed'), ...seen })).toEqual(
      gives(35, { kind: 'patchStep', status: 'failed', reason: texts }),
    );
    expect(decide({ outcome: oom, terrakube: left('failed'), facts: { unchangedFor: lasting(9) } }).row).toBe(37);
    expect(decide({ outcome: oom, terrakube: left('rejected'), ...seen }).row).toBe(37);
  });
  test('row 35 also speaks for a Job with a verdict, and for one that succeeded', () => {
    for (const action of ['restart', 'cancel', 'quiet']) {
      const outcome = failed({ intent: intent(action) });
      expect(decide({ outcome, terrakube: left('cancelled'), ...seen })).toEqual(
        gives(35, { kind: 'patchStep', status: 'cancelled', reason: reason() }),
      );
    }
    expect(decide({ outcome: succeeded(), terrakube: left('failed'), ...seen })).toMatchObject({
      row: 35,
      action: { reason: { title: 'executor ended without reporting its result' } },
    });
  });
  test('row 35 ends a step that a locked workspace keeps pending', () => {
    expect(kindOf({ outcome: oom, terrakube: job('failed'), ...seen })).toBe('35 patchStep');
    expect(kindOf({ outcome: oom, terrakube: job('waitingApproval'), ...seen })).toBe('37 leave');
  });
  const swept = (name = 'Terraform Plan', output: string | null = null) =>
    job('failed', step({ status: 'failed', name, output }));

  test('row 36 puts the cause into the name of a step that failed without one', () => {
    expect(decide({ outcome: oom, terrakube: swept('Terraform Plan', 'https://log') })).toEqual(
      gives(36, { kind: 'annotate', title: 'out of memory (dispatcher)' }),
    );
    expect(decide({ outcome: failed({ intent: intent('quiet', { title: 'swept' }) }), terrakube: swept() })).toEqual(
      gives(36, { kind: 'annotate', title: 'swept (dispatcher)' }),
    );
    expect(decide({ outcome: { ...oom, title: 'x'.repeat(90) }, terrakube: swept() })).toEqual(
      gives(36, { kind: 'annotate', title: `${'x'.repeat(76)}… (dispatcher)` }),
    );
  });
  test('row 36 names any cause when nobody has spoken about the step', () => {
    const outcome = failed({ cause: 'exit', title: 'executor ended with exit code 1' });
    expect(kindOf({ outcome, terrakube: swept() })).toBe('36 annotate');
    expect(kindOf({ outcome, terrakube: swept('Terraform Plan', 'https://log') })).toBe('37 leave');
    expect(decide({ outcome: succeeded(), terrakube: swept() })).toEqual(
      gives(36, { kind: 'annotate', title: 'executor could not reach Terrakube or sign in to it (dispatcher)' }),
    );
    expect(kindOf({ outcome: succeeded(), terrakube: swept('Terraform Plan', 'https://log') })).toBe('37 leave');
  });
  test('row 36 writes once, not for others, and not for a Job that was not needed', () => {
    expect(kindOf({ outcome: oom, terrakube: swept('Terraform Plan: evicted (dispatcher)') })).toBe('37 leave');
    expect(kindOf({ outcome: oom, terrakube: job('failed', told) })).toBe('37 leave');
    expect(kindOf({ outcome: oom, terrakube: job('rejected', step({ status: 'failed' })) })).toBe('37 leave');
    const notNeeded = failed({ intent: intent('quiet', { cause: 'notNeeded' }) });
    expect(kindOf({ outcome: notNeeded, terrakube: swept() })).toBe('37 leave');
  });
  test('row 37 leaves everything else', () => {
    expect(decide({ outcome: succeeded(), terrakube: job('completed', step({ status: 'completed' })) })).toEqual(
      gives(37, { kind: 'leave', why: 'there is nothing to do' }),
    );
    expect(kindOf({ outcome: failed(), terrakube: 'notFound' })).toBe('37 leave');
  });
  test('row 37 keeps a suspended Job for as long as something may have to be written for it', () => {
    const outcome = failed({ intent: intent('quiet'), isSuspended: true });
    expect(kindOf({ outcome, terrakube: job('queue', step({ status: 'completed' })) })).toBe('37 leave');
    expect(kindOf({ outcome, terrakube: job('cancelled') })).toBe('37 leave');
    expect(kindOf({ outcome, terrakube: job('cancelled', step({ status: 'cancelled' })) })).toBe('37 delete');
  });
  test('row 37 deletes a suspended Job that was told about', () => {
    const outcome = failed({ intent: intent('fail'), isSuspended: true });
    expect(decide({ outcome, terrakube: job('failed', told) })).toEqual(
      gives(37, { kind: 'delete', why: 'its verdict is carried out' }),
    );
  });
});

test('a verdict that is recorded has texts of a bounded length', () => {
  const long = blocker({ title: 't'.repeat(200), evidence: 'e'.repeat(100_000) });
  const { action } = decide({ outcome: waiting({ blocker: long, since: secondsAgo(999) }) });
  expect(action).toMatchObject({
    kind: 'stop',
    verdict: { title: `${'t'.repeat(89)}…`, evidence: `${'e'.repeat(999)}…` },
  });
});
