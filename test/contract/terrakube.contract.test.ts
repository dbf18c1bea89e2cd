/** The stand-in Terrakube is held against what a real one was recorded to do. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  INTERNAL_SECRET,
  PLAN_APPROVE_APPLY,
  startTerrakubeBench,
  type TerrakubeBench,
} from '../support/terrakube-bench.ts';
import { comparable, expected, readRecording } from '../support/terrakube-recordings.ts';
import { describeTerrakube } from '../support/terrakube-suite.ts';

describeTerrakube('the stand-in Terrakube', async () => {
  const bench = await startTerrakubeBench();
  return {
    url: bench.terrakube.url,
    internalSecret: INTERNAL_SECRET,
    async createQueuedJob() {
      const job = bench.terrakube.createJob({ steps: PLAN_APPROVE_APPLY });
      await bench.untilStatus(job.jobId, 'queue');
      const [plan = '', approve = '', apply = ''] = bench.terrakube.job(job.jobId).steps.map(({ stepId }) => stepId);
      return { ...job, stepIds: [plan, approve, apply] };
    },
    close: bench.close,
  };
});

describe('a list', () => {
  let bench: TerrakubeBench;
  const ids: Record<string, string> = {};

  /** The two active jobs of the recordings, and one that is over. */
  beforeAll(async () => {
    bench = await startTerrakubeBench();
    const { terrakube } = bench;
    const running = terrakube.createJob({
      organizationId: '3a130a1c-d96f-4f99-83b8-58d472567e3a',
      workspaceId: '9e90a32b-de33-43b1-af80-294c61bf7aab',
      steps: [{ type: 'terraformPlan', name: 'Plan' }],
    });
    await bench.untilStatus(running.jobId, 'queue');
    await bench.patchJob(running.jobId, { status: 'running' });
    await bench.patchStep(running.jobId, { status: 'running' });
    const queued = terrakube.createJob({
      workspaceId: '7d8923e3-955b-4cb8-bd76-600498026914',
      steps: [{ type: 'customScripts', name: 'Say hello' }],
    });
    const over = terrakube.createJob({ steps: [{ type: 'customScripts', name: 'Over' }] });
    await bench.untilStatus(over.jobId, 'queue');
    await terrakube.cancel(over.jobId);
    ids['946282'] = running.jobId;
    ids['946283'] = queued.jobId;
    ids['7b554e92-ae1b-496d-bb65-39afc76bf4dd'] = stepOf(running.jobId);
    ids['08b569c1-d4b1-49c5-8e65-a479735bdd24'] = stepOf(queued.jobId);
    ids['over'] = stepOf(over.jobId);
    ids['overJob'] = over.jobId;
  });
  afterAll(() => bench.close());

  const stepOf = (jobId: string): string => bench.terrakube.job(jobId).steps[0]?.stepId ?? '';
  const found = async (query: string): Promise<unknown> => {
    const { status, body } = await bench.get(`/api/v1/step?${query}`);
    if (status !== 200 || typeof body !== 'object' || body === null || !('data' in body)) return { status, body };
    const { data } = body;
    return Array.isArray(data) ? data.map(({ attributes }) => attributes.name) : data;
  };

  test('of steps shows those of active jobs with their jobs, as recorded', async () => {
    const recording = readRecording('list_steps_by_job_status');
    const answer = await bench.get(recording.request.path);
    expect(comparable(answer)).toEqual(expected(recording, ids));
  });

  test('of steps pages, sorts and counts as recorded', async () => {
    const recording = expected(readRecording('list_steps_paged'), ids);
    const query = 'filter[step]=job.status=in=(queue,running)&include=job&page[size]=2&page[totals]&sort=job.id';
    const answer = comparable(await bench.get(`/api/v1/step?${query}`));
    // The recording includes organisations, too, which the stand-in does not show.
    expect(withoutIncluded(answer.body)).toEqual(withoutIncluded(recording.body));
  });

  test('leaves nothing of a job but what a sparse fieldset asks for', async () => {
    const query =
      'filter[step]=job.status=in=(queue,running)&include=job&fields[step]=stepNumber,status,name,job' +
      '&fields[job]=status,organization&sort=-job.id&page[size]=1';
    const { body } = await bench.get(`/api/v1/step?${query}`);
    const jobId = ids['946283'];
    expect(body).toEqual({
      data: [
        {
          type: 'step',
          id: ids['08b569c1-d4b1-49c5-8e65-a479735bdd24'],
          attributes: { stepNumber: 100, status: 'pending', name: 'Say hello' },
          relationships: { job: { data: { type: 'job', id: jobId } } },
        },
      ],
      meta: { page: { number: 1, limit: 1 } },
      included: [
        {
          type: 'job',
          id: jobId,
          attributes: { status: 'queue' },
          relationships: {
            organization: { data: { type: 'organization', id: 'd9b58bd3-f3fc-4056-a026-1163297e80a8' } },
          },
        },
      ],
    });
  });

  test.for([
    ['two statuses', 'filter[step]=job.status=in=(queue,running)&sort=job.id', ['Plan', 'Say hello']],
    ['quoted statuses', "filter[step]=job.status=in=('queue','running')&sort=job.id", ['Plan', 'Say hello']],
    ['plain filter=', 'filter=job.status==queue', ['Say hello']],
    ['and', 'filter[step]=job.status=in=(queue,running);status=in=(running)', ['Plan']],
    ['or', 'filter[step]=job.status==cancelled,status==running&sort=job.id', ['Plan', 'Over']],
    ['percent-encoded', 'filter%5Bstep%5D=job.status%3Din%3D(queue)%3Bstatus%3D%3Dpending', ['Say hello']],
    ['out and not', 'filter[step]=status=out=(cancelled,running);name!=Plan', ['Say hello']],
    ['beyond the end', 'page[number]=9', []],
  ] as const)('filters by %s', async ([, query, names]) => {
    expect(await found(query)).toEqual(names);
  });

  test('leaves out ids that it does not know', async () => {
    const known = ids['over'];
    expect(await found(`filter[step]=id=in=(${known},0a01e6df-f401-402e-a8fe-aa997bf9c4ab)`)).toEqual(['Over']);
    expect(await found(`filter[step]=job.id=in=(${ids['946282']},999)`)).toEqual(['Plan']);
  });

  test('of live jobs, as the dispatcher asks for it, has all that it reads and no more', async () => {
    const query =
      'filter%5Bstep%5D=job.status=in=(pending,approved,queue,running)&include=job' +
      '&fields%5Bstep%5D=stepNumber,status,name,output,job' +
      '&fields%5Bjob%5D=status,comments,updatedDate,organization,workspace&sort=id&page%5Bsize%5D=500&page%5Btotals%5D';
    const { data, meta, included } = Object(expected(readRecording('list_steps_by_job_status'), ids).body);
    const sparse = ({ attributes, relationships, ...job }: Record<string, Record<string, unknown>>) => ({
      ...job,
      attributes: {
        status: attributes?.['status'],
        comments: attributes?.['comments'],
        updatedDate: attributes?.['updatedDate'],
      },
      relationships: { organization: relationships?.['organization'], workspace: relationships?.['workspace'] },
    });
    expect(meta).toBeUndefined();
    expect(comparable(await bench.get(`/api/v1/step?${query}&page%5Bnumber%5D=1`)).body).toEqual({
      data,
      meta: { page: { number: 1, limit: 500, totalPages: 1, totalRecords: 2 } },
      included: included.map(sparse),
    });
    expect((await bench.get(`/api/v1/step?${query}&page%5Bnumber%5D=2`)).body).toEqual({
      data: [],
      meta: { page: { number: 2, limit: 500, totalPages: 0, totalRecords: 0 } },
      included: [],
    });
  });

  test('counts nothing beyond the last page', async () => {
    const { body } = await bench.get('/api/v1/step?page[number]=9&page[totals]');
    expect(body).toEqual({ data: [], meta: { page: { number: 9, limit: 500, totalPages: 0, totalRecords: 0 } } });
  });

  test.for([
    ['filter[job]=status=in=(queue,pending)', ['queue']],
    ['filter=status=in=(queue,pending)', ['queue', 'cancelled']],
  ] as const)('of an organisation reads filter[job] and ignores filter: %s', async ([query, statuses]) => {
    const path = '/api/v1/organization/d9b58bd3-f3fc-4056-a026-1163297e80a8/job';
    const { body } = await bench.get(`${path}?${query}&fields[job]=status`);
    const jobIds = [ids['946283'], ids['overJob']];
    const data = statuses.map((status, index) => ({ type: 'job', id: jobIds[index], attributes: { status } }));
    expect(body).toEqual({ data });
  });

  test('includes the steps of a job in no order to rely on', async () => {
    const { jobId } = bench.terrakube.createJob({ steps: PLAN_APPROVE_APPLY });
    await bench.untilStatus(jobId, 'queue');
    const path = `/api/v1/organization/d9b58bd3-f3fc-4056-a026-1163297e80a8/job/${jobId}`;
    const { body } = await bench.get(`${path}?include=step&fields[step]=stepNumber&fields[job]=status`);
    const [plan, approve, apply] = bench.terrakube.job(jobId).steps.map(({ stepId: id, stepNumber }) => ({
      type: 'step',
      id,
      attributes: { stepNumber },
    }));
    const data = { type: 'job', id: jobId, attributes: { status: 'queue' } };
    expect(body).toEqual({ data, included: [apply, approve, plan] });
    await bench.deleteJob(jobId);
  });

  test('cuts at 500 rows without a word', async () => {
    const steps = Array.from({ length: 501 }, () => ({ type: 'customScripts' }));
    const { jobId } = bench.terrakube.createJob({ steps });
    await bench.untilStatus(jobId, 'queue');
    const { body } = await bench.get(`/api/v1/step?filter[step]=job.id==${jobId}&fields[step]=status`);
    expect(body).toEqual({ data: expect.toSatisfy((data) => Array.isArray(data) && data.length === 500) });
    await bench.deleteJob(jobId);
  });
});

test.for([
  ['include=job.organization', 'include=job.organization'],
  ['filter[step]=job.id=in=(1,2147483648)', 'a filter by the job 2147483648'],
  ['filter[step]=job.id==x', 'a filter by the job x'],
])('answers 501 for what was never recorded, instead of making it up: %s', async ([query, what]) => {
  const bench = await startTerrakubeBench();
  const { status, body } = await bench.get(`/api/v1/step?${query}`);
  await bench.close();
  expect({ status, body }).toEqual({ status: 501, body: `The stand-in Terrakube does not model this: ${what}\n` });
});

function withoutIncluded(body: unknown): unknown {
  return typeof body === 'object' ? { ...body, included: undefined } : body;
}
