// `why`, as a program, between the stand-in cluster and the stand-in Terrakube: what it says, and that it only reads.
import type { V1Job } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WhyReport } from '../../cli/why-report.ts';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { jobName } from '../../lib/domain/job-name.ts';
import type { RecordedVerdict } from '../../lib/domain/recorded-verdict.ts';
import { INSTALLATION, ids as idsOf } from '../support/builders.ts';
import { type CliWorld, type Environment, PULL, startCliWorld } from '../support/cli-world.ts';

let world: CliWorld;
let cluster: CliWorld['cluster'];
let bench: CliWorld['bench'];

beforeAll(async () => {
  world = await startCliWorld();
  ({ cluster, bench } = world);
});
afterAll(() => world.close());

const why = (args: readonly string[], changes?: Environment) => world.run(['why', ...args], changes);

async function report(args: readonly string[], changes?: Environment) {
  const { exitCode, report: found } = await world.report(['why', ...args], changes);
  return { exitCode, report: found as WhyReport };
}

const dispatched: CliWorld['dispatched'] = (types) => world.dispatched(types);
const createJob = (ids: DispatchIds, start?: number, verdict?: RecordedVerdict) =>
  world.createJob(ids, { ...(start && { start }), ...(verdict && { verdict }) });
const setPodStatus = (job: V1Job, status: object) => world.setPodStatus(job, status);
const hasFailed = (job: V1Job) => world.hasFailed(job);

const VERDICT: RecordedVerdict = {
  action: 'restart',
  cause: 'disrupted',
  title: 'the pod was preempted',
  evidence: 'Pod condition DisruptionTarget. Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc',
  advice: 'Nothing was run: safe to run again.',
  at: '2026-11-24T20:41:40.000Z',
};

describe('why', () => {
  test('says what a step waits for, and what is done next', async () => {
    const ids = await dispatched(['terraformPlan', 'terraformApply']);
    await setPodStatus(await createJob(ids), PULL);
    const name = jobName(ids, INSTALLATION, 1);

    const { exitCode, report: found } = await report([ids.jobId]);

    expect(exitCode).toBe(0);
    expect(found).toEqual({
      terrakubeJobId: ids.jobId,
      organizationId: ids.organizationId,
      installation: INSTALLATION,
      namespace: 'terrakube',
      terrakube: { status: 'queue', steps: expect.arrayContaining([expect.objectContaining({ id: ids.stepId })]) },
      jobs: [
        {
          name,
          start: 1,
          type: 'terraformPlan',
          stepId: ids.stepId,
          step: { id: ids.stepId, number: 100, name: 'terraformPlan', status: 'pending' },
          kind: 'waiting',
          cause: 'imagePull',
          restartable: false,
          everStarted: 'no',
          since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
          forSeconds: expect.any(Number),
          title: expect.stringContaining('cannot be pulled'),
          evidence: expect.stringContaining('ImagePullBackOff'),
          advice: expect.stringContaining('ExecutorEphemeralImage'),
          verdict: {
            row: 20,
            kubernetes: 'waiting for something, not yet too long',
            terrakube: 'job live, step open',
            action: 'explain',
            next: expect.stringMatching(
              /^say in the run's log what it waits for \(.*cannot be pulled.*\), and keep the job alive$/,
            ),
          },
        },
      ],
      unknownJobs: [],
    });
    const { stdout } = await why([ids.jobId]);
    expect(stdout).toContain(`Terrakube job ${ids.jobId}: queue\n`);
    expect(stdout).toContain('Step 200 terraformApply: pending, without a Kubernetes Job\n');
    expect(stdout).toContain('Step 100 terraformPlan (terraformPlan): pending\n');
    expect(stdout).toMatch(
      new RegExp(`\n  Kubernetes Job  ${name} \\(start 1\\)\n  Outcome         waiting: imagePull, since `),
    );
    expect(stdout).toContain(
      '  Verdict         row 20 (Kubernetes: waiting for something, not yet too long; Terrakube: ',
    );
    expect(stdout).toMatch(/\n {2}Next {12}say in the run's log/);
  });

  test('shows the newest start last, and the verdict that a Job carries', async () => {
    const ids = await dispatched();
    await createJob(ids, 2);
    const first = await createJob(ids, 1, VERDICT);
    await setPodStatus(first, { phase: 'Failed' });
    await expect.poll(() => hasFailed(first)).toBe(true);

    const { jobs } = (await report([ids.jobId])).report;

    expect(jobs.map(({ start, kind, recorded, verdict }) => ({ start, kind, recorded, row: verdict.row }))).toEqual([
      {
        start: 1,
        kind: 'failed',
        recorded: { ...VERDICT, evidence: 'Pod condition DisruptionTarget. Authorization: Bearer ***' },
        row: expect.any(Number),
      },
      { start: 2, kind: 'waiting', recorded: undefined, row: expect.any(Number) },
    ]);
    expect((await why([ids.jobId])).stdout).toContain(
      '  Recorded        restart (disrupted) at 2026-11-24T20:41:40.000Z: the pod was preempted\n',
    );
  });

  test('says what comes when Terrakube stays as it is', async () => {
    const ids = await dispatched();
    const job = await createJob(ids);
    await setPodStatus(job, { phase: 'Failed' });
    await bench.patchStep(ids.jobId, { status: 'completed', output: 'x' });
    await bench.patchJob(ids.jobId, { status: 'running' });

    await expect.poll(() => hasFailed(job)).toBe(true);
    expect((await report([ids.jobId])).report.jobs[0]).toMatchObject({
      kind: 'failed',
      verdict: { row: 37, action: 'leave' },
      later: { row: 28, action: 'patchJob' },
    });
  });

  test('only reads', async () => {
    const ids = await dispatched();
    await setPodStatus(await createJob(ids), PULL);
    const [before, asked] = [cluster.stats.requests.length, bench.terrakube.requests.length];

    await why([ids.jobId]);
    await why([ids.jobId, '--json']);

    const made = cluster.stats.requests.slice(before);
    expect(made.length).toBeGreaterThan(4);
    expect(new Set(made.map(({ method, status }) => `${method} ${status}`))).toEqual(new Set(['GET 200']));
    expect(bench.terrakube.requests.slice(asked).map(({ method }) => method)).toEqual(['GET', 'GET']);
  });

  test('asks for the organization of a job without a Kubernetes Job, and ends with 1', async () => {
    const ids = await dispatched();

    const { exitCode, stdout } = await why([ids.jobId]);

    expect(exitCode).toBe(1);
    expect(stdout).toContain('The cluster has no Kubernetes Job of it in this namespace and installation.');
    expect(stdout).toContain('add --organization with its id');
  });

  test('shows what Terrakube says of a job without a Kubernetes Job', async () => {
    const ids = await dispatched();

    const { exitCode, report: found } = await report([ids.jobId, '--organization', ids.organizationId]);

    expect(exitCode).toBe(0);
    expect(found).toMatchObject({
      organizationId: ids.organizationId,
      terrakube: { status: 'queue', steps: [{ name: 'terraformPlan', status: 'pending' }] },
      jobs: [],
      explanation: expect.stringContaining('Its dispatch may still be on the way'),
    });
  });

  test('says that nobody has the job', async () => {
    const { organizationId } = idsOf();

    const { exitCode, stdout } = await why(['999', '--organization', organizationId]);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('Terrakube job 999: Terrakube does not have it\n');
    expect(stdout).toContain('Neither the cluster nor this organization of Terrakube has the job');
  });

  test('sees no Jobs of another installation', async () => {
    const ids = await dispatched();
    await createJob(ids);

    const { exitCode, report: found } = await report([ids.jobId], { Installation: 'other' });

    expect({ exitCode, jobs: found.jobs }).toEqual({ exitCode: 1, jobs: [] });
  });

  test('says of a Job with other labels than ours that nothing can be said', async () => {
    const ids = await dispatched();
    const { metadata } = await createJob(ids);
    const body = { metadata: { labels: { 'terrakube.io/step': null } } };
    await world.apis.batch.patchNamespacedJob({ namespace: 'terrakube', name: metadata?.name ?? '', body });

    const { stdout } = await why([ids.jobId, '--organization', ids.organizationId]);

    expect(stdout).toContain(`Kubernetes Job ${metadata?.name}: nothing can be said`);
  });
});

describe('why ends with 1', () => {
  test('when Terrakube cannot be read, after what the cluster shows', async () => {
    const ids = await dispatched();
    await setPodStatus(await createJob(ids), PULL);

    const { exitCode, report: found } = await report([ids.jobId], { TerrakubeApiUrl: 'http://127.0.0.1:9' });

    expect(exitCode).toBe(1);
    expect(found).toMatchObject({
      terrakube: 'unreachable',
      problem: expect.stringMatching(/^Terrakube gave no answer to GET \/api\/v1\/organization\/.*\.$/),
      jobs: [{ kind: 'waiting', cause: 'imagePull', verdict: { row: 1, action: 'retry' } }],
    });
  });

  test.each([
    [
      'does not answer',
      { EksEndpoint: 'https://127.0.0.1:9' },
      'The Kubernetes API gave no answer about list of Jobs.\nCheck EksClusterName',
    ],
    [
      'does not know us',
      { AWS_ACCESS_KEY_ID: 'AKIASOMEBODYELSE0000' },
      'The Kubernetes API answered 401 about list of Jobs.\nThe cluster does not know this AWS identity',
    ],
    ['does not let us', {}, 'The Kubernetes API answered 403 about list of Jobs.\nThis AWS identity needs the rights'],
  ])('when the cluster %s', async (what, changes, stderr) => {
    if (what === 'does not let us')
      cluster.answerNext({ method: 'GET', path: /\/jobs\?/, status: 403, body: FORBIDDEN });

    const answer = await why(['17'], changes);

    expect(answer).toEqual({ exitCode: 1, stdout: '', stderr: expect.stringContaining(stderr) });
  });
});

const FORBIDDEN = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message:
    'jobs.batch is forbidden: User "me" cannot list resource "jobs" in API group "batch" in the namespace "terrakube"',
  reason: 'Forbidden',
  details: { group: 'batch', kind: 'jobs' },
  code: 403,
};

describe.concurrent('why ends with 2', () => {
  test.each([
    ['without a number', [], 'why takes one number of a Terrakube job, as in why 17'],
    ['with two', ['17', '18'], 'why takes one number of a Terrakube job, as in why 17'],
    [
      "with a Job's name",
      ['job-17-09c9bacf25'],
      '"job-17-09c9bacf25" is not the number of a Terrakube job: give its digits',
    ],
    ['with a selector', ['17,x=y'], '"17,x=y" is not the number of a Terrakube job'],
    [
      'with a name of an organization',
      ['17', '--organization', 'my team/../x'],
      '--organization "my team/../x" is not the id of an organization: give the UUID',
    ],
    ['with an empty organization', ['17', '--organization', ''], '--organization "" is not the id of an organization'],
    ['with an option that it does not have', ['17', '--yaml'], "Unknown option '--yaml'"],
  ])('%s', async (_, args, stderr) => {
    expect(await why(args)).toEqual({ exitCode: 2, stdout: '', stderr: expect.stringContaining(stderr) });
  });

  test('for settings that are wrong, all at once', async () => {
    const { exitCode, stdout, stderr } = await why(['17'], { TerrakubeApiUrl: 'secret-thing', EksClusterName: '' });

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^The settings are wrong\. .*TerrakubeApiUrl: must be a URL.*EksClusterName: /);
    expect(stderr).toContain('aws configure export-credentials');
    expect(stderr).not.toContain('secret-thing');
  });
});
