// What `npm start` prints about the jobs of a Terrakube that it cannot ask.
import { expect, test } from 'vitest';
import type { ClusterChange } from '../../local/cluster/cluster.ts';
import { createJobWatch } from '../../local/job-watch.ts';
import type { JsonObject } from '../../local/json.ts';

const STEP = '3fed47b3-cbb9-427c-b9e7-5bc0469c7201';
const ids = { terrakubeJobId: '7', stepId: STEP };

function watch() {
  const told: string[] = [];
  let now = 0;
  const jobWatch = createJobWatch(() => now++, {
    entry: ({ jobId, stepId, moment, detail }) =>
      void told.push(`${jobId} ${stepId?.slice(0, 4)} ${moment}: ${detail}`),
    refusal: (text) => void told.push(text),
  });
  return { ...jobWatch, told, log: (fields: object) => jobWatch.functionLog(JSON.stringify(fields)) };
}

function change(
  kind: 'Job' | 'Pod',
  type: ClusterChange['type'],
  status: JsonObject = {},
  stepId = STEP,
): ClusterChange {
  const metadata = { name: `a-${kind}`, namespace: 'terrakube', uid: 'u', resourceVersion: '1' };
  const labels = { 'terrakube.io/job': '7', 'terrakube.io/step': stepId };
  return { type, object: { kind, metadata: { ...metadata, labels }, status } };
}
const container = (state: JsonObject): JsonObject => ({ containerStatuses: [{ state }] });

test('each moment of a step is told once', () => {
  const { told, log, cluster } = watch();
  log({ message: 'dispatch answered', ...ids, status: 202, outcome: 'payload' });
  log({ message: 'dispatch answered', ...ids, status: 202, outcome: 'payload' });
  cluster(change('Job', 'ADDED'));
  log({ message: 'dispatch settled', ...ids, outcome: 'created', jobName: 'a-Job' });
  cluster(change('Pod', 'ADDED'));
  cluster(change('Pod', 'MODIFIED', container({ waiting: { reason: 'ContainerCreating' } })));
  cluster(change('Pod', 'MODIFIED', container({ running: {} })));
  cluster(change('Pod', 'MODIFIED', container({ running: {} })));
  cluster(change('Pod', 'MODIFIED', container({ terminated: { exitCode: 0, reason: 'Completed' } })));
  cluster(change('Job', 'MODIFIED', { conditions: [{ type: 'Complete', status: 'True' }] }));
  cluster(change('Pod', 'DELETED', container({ terminated: { exitCode: 0, reason: 'Completed' } })));
  expect(told).toEqual([
    '7 3fed accepted: intake answered 202',
    '7 3fed Job created: a-Job',
    '7 3fed container started: a-Pod',
    '7 3fed ended: a-Pod, exit code 0',
  ]);
});

test('what went wrong is told with its reason', () => {
  const { told, log, cluster } = watch();
  log({ message: 'dispatch answered', status: 401, outcome: 'unauthorized' });
  for (const reason of ['quota is used up', 'quota is used up', 'no answer']) {
    log({ message: 'dispatch settled', ...ids, outcome: 'waiting', reason });
  }
  log({ message: 'dispatch settled', ...ids, outcome: 'skipped', reason: 'jobGone' });
  log({ message: 'dispatch settled', ...ids, outcome: 'refused', reason: 'too large' });
  cluster(change('Pod', 'MODIFIED', container({ terminated: { exitCode: 137, reason: 'OOMKilled' } }), 'bbbb'));
  cluster(change('Job', 'MODIFIED', { conditions: [{ type: 'Failed', status: 'True', reason: 'DeadlineExceeded' }] }));
  expect(told).toEqual([
    'intake refused a request: 401 unauthorized',
    '7 3fed waiting: quota is used up',
    '7 3fed waiting: no answer',
    '7 3fed skipped: jobGone',
    '7 3fed failed: too large',
    '7 bbbb ended: a-Pod, exit code 137 (OOMKilled)',
    '7 3fed ended: a-Job, Job failed: DeadlineExceeded',
  ]);
});

test('lines and objects of others are left alone', () => {
  const { told, functionLog, log, cluster } = watch();
  functionLog('START RequestId');
  functionLog('{ broken');
  log({ message: 'sweep', ...ids, outcome: 'failed' });
  const { object } = change('Job', 'ADDED');
  cluster({ type: 'ADDED', object: { ...object, metadata: { ...object.metadata, labels: {} } } });
  cluster({ type: 'ADDED', object: { ...object, kind: 'Event' } });
  expect(told).toEqual([]);
});
