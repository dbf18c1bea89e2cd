// The lists of Terrakube's jobs: how they are asked for, and how they are read page by page.
import { afterEach, describe, expect, test } from 'vitest';
import { refusedWith } from '../support/refused-with.ts';
import type { Reply, Script, SeenCall } from '../support/scripted-server.ts';
import {
  jobOf,
  listedJob,
  listedStep,
  ORGANIZATION,
  page,
  startTerrakubeLists,
  stepOf,
} from '../support/terrakube-lists.ts';
import { readRecording } from '../support/terrakube-recordings.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(script: Script) {
  const started = await startTerrakubeLists(script);
  closing.push(started.server.close);
  return started;
}

const parameters = ({ path }: SeenCall) => new URL(path, 'http://terrakube').searchParams;
const pageNumbers = (seen: readonly SeenCall[]) => seen.map((call) => Number(parameters(call).get('page[number]')));
/** Answers with these pages by their numbers; what is asked for again gets the later one of two. */
const paged = (replies: readonly Reply[]): Script => {
  const left = [...replies];
  return () => left.shift() ?? 'reset';
};

const LIVE =
  '/api/v1/step?filter%5Bstep%5D=job.status=in=(pending,approved,queue,running)&include=job' +
  '&fields%5Bstep%5D=stepNumber,status,name,output,job' +
  '&fields%5Bjob%5D=status,comments,updatedDate,organization,workspace' +
  '&sort=id&page%5Bsize%5D=500&page%5Btotals%5D&page%5Bnumber%5D=1';

describe('the list of live jobs', () => {
  test('is asked for with the fields that are read, in a query that proxies let pass', async () => {
    const { lists, server } = await start(() => page([]));
    expect(await lists.listLiveJobs()).toEqual(new Map());
    expect(server.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([`GET ${LIVE}`]);
    expect(server.seen[0]?.headers).toMatchObject({ accept: 'application/vnd.api+json' });
  });

  test('is read from what a real Terrakube was recorded to answer', async () => {
    const { status, body } = readRecording('list_steps_paged').response;
    const { lists } = await start(() => ({ status, body: Object(body) }));
    const step = { stepNumber: 100, output: null };
    const job = { comments: null, updatedAt: Date.UTC(2026, 10, 24, 20, 51) };
    expect([...(await lists.listLiveJobs()).values()]).toEqual([
      {
        ...job,
        id: '946282',
        status: 'running',
        organizationId: '3a130a1c-d96f-4f99-83b8-58d472567e3a',
        workspaceId: '9e90a32b-de33-43b1-af80-294c61bf7aab',
        steps: [{ ...step, id: '7b554e92-ae1b-496d-bb65-39afc76bf4dd', status: 'running', name: 'Plan' }],
      },
      {
        ...job,
        id: '946283',
        status: 'queue',
        organizationId: ORGANIZATION,
        workspaceId: '7d8923e3-955b-4cb8-bd76-600498026914',
        steps: [{ ...step, id: '08b569c1-d4b1-49c5-8e65-a479735bdd24', status: 'pending', name: 'Say hello' }],
      },
    ]);
  });

  test('puts the steps of all pages under their jobs, in the order of their numbers', async () => {
    const { lists, server } = await start(
      paged([
        page([stepOf('200-17'), stepOf('100-18'), jobOf('17', { comments: 'fresh' }), jobOf('18')], 2),
        page(
          [stepOf('150-17', { name: null, output: 'said' }), stepOf('100-17'), jobOf('17', { comments: 'fresh' })],
          2,
        ),
      ]),
    );
    const steps = [listedStep('100-17'), listedStep('150-17', { name: '', output: 'said' }), listedStep('200-17')];
    expect(await lists.listLiveJobs()).toEqual(
      new Map([
        ['17', listedJob('17', steps, { comments: 'fresh' })],
        ['18', listedJob('18', [listedStep('100-18')])],
      ]),
    );
    expect(pageNumbers(server.seen)).toEqual([1, 2]);
  });

  test('tells a step and a job that came twice once, as they were seen last', async () => {
    const { lists } = await start(
      paged([
        page([stepOf('100-17'), jobOf('17')], 2),
        page([stepOf('100-17', { status: 'running' }), jobOf('17', { status: 'running' })], 2),
      ]),
    );
    const steps = [listedStep('100-17', { status: 'running' })];
    expect(await lists.listLiveJobs()).toEqual(new Map([['17', listedJob('17', steps, { status: 'running' })]]));
  });

  test.each([
    ['a step of a job that was deleted', { ...stepOf('100-18'), relationships: { job: { data: null } } }],
    ['a step without its job', stepOf('100-18')],
    ['a step without a status', stepOf('100-17', { status: undefined, name: 'other' })],
    ['a job whose workspace was deleted', { ...jobOf('18'), relationships: { workspace: { data: null } } }],
    ['a job without steps', jobOf('18')],
    ['a resource of another type', { ...jobOf('17', { status: 'other' }), type: 'organization' }],
  ])('leaves out %s', async (_, odd) => {
    const { lists } = await start(() => page([stepOf('200-17'), jobOf('17'), odd]));
    expect(await lists.listLiveJobs()).toEqual(new Map([['17', listedJob('17', [listedStep('200-17')])]]));
  });

  test.each([[undefined], [null], ['yesterday']])(
    'does not know the date of a job that says %j',
    async (updatedDate) => {
      const { lists } = await start(() => page([stepOf('100-17'), jobOf('17', { updatedDate })]));
      expect((await lists.listLiveJobs()).get('17')).toEqual(
        listedJob('17', [listedStep('100-17')], { updatedAt: undefined }),
      );
    },
  );
});

describe('while the list changes', () => {
  const a = [stepOf('100-17'), jobOf('17')];
  const b = [stepOf('100-18'), jobOf('18')];
  const c = [stepOf('100-19'), jobOf('19')];

  test.each<[string, readonly Reply[], readonly number[], readonly string[]]>([
    ['a total that grows', [page(a, 2), page(b, 3), page(c, 3)], [1, 2, 3], ['17', '18', '19']],
    [
      'what moved up to the page before',
      [page(a, 2, 900), page(b, 2, 899), page(c, 2, 899), page(b, 2, 899)],
      [1, 2, 1, 2],
      ['17', '18', '19'],
    ],
    [
      'what moves up all the while',
      [page(a, 2, 900), page(b, 2, 899), page(c, 2, 898), page(b, 2, 898)],
      [1, 2, 1, 2],
      ['17', '18', '19'],
    ],
    ['a last page that is gone', [page(a, 2, 501), page([], 0), page([...a, ...b], 1, 500)], [1, 2, 1], ['17', '18']],
    ['all that is gone', [page(a, 2, 501), page([], 0), page([], 0)], [1, 2, 1], ['17']],
  ])('sees %s', async (_, replies, numbers, found) => {
    const { lists, server } = await start(paged(replies));
    expect([...(await lists.listLiveJobs()).keys()].sort()).toEqual(found);
    expect(pageNumbers(server.seen)).toEqual(numbers);
  });

  test.each<[string, (call: number) => number]>([
    ['grows for ever', (call) => call + 2],
    ['shrinks and grows for ever', (call) => 1000 - (call % 2)],
  ])('a list that %s is given up after 100 pages', async (_, totalPages) => {
    let calls = 0;
    const { lists, server } = await start(() => {
      calls += 1;
      return page(a, totalPages(calls));
    });
    expect(await refusedWith(lists.listLiveJobs())).toEqual({
      code: 'terrakubeRefused',
      message: "Terrakube's list of steps did not end within 100 pages.",
    });
    expect(server.seen).toHaveLength(100);
  });
});

describe('the list of jobs by their ids', () => {
  const idsIn = (call: SeenCall) =>
    /^job\.id=in=\((.*)\)$/.exec(parameters(call).get('filter[step]') ?? '')?.[1]?.split(',') ?? [];
  const answerAll = (call: SeenCall): Reply => page(idsIn(call).flatMap((id) => [stepOf(`100-${id}`), jobOf(id)]));

  test('asks for the same fields, and names what is an id of Terrakube, each once', async () => {
    const { lists, server } = await start(answerAll);
    const odd = ['x', '', '-1', '1.5', '1e3', ' 5', '5)', '2147483648', '9'.repeat(19)];
    const found = await lists.listJobs(['17', ...odd, '2147483647', '17']);
    expect([...found.keys()]).toEqual(['17', '2147483647']);
    expect(server.seen.map(({ path }) => path)).toEqual([
      LIVE.replace('job.status=in=(pending,approved,queue,running)', 'job.id=in=(17,2147483647)'),
    ]);
  });

  test('asks nothing when there is nothing to ask', async () => {
    const { lists, server } = await start(answerAll);
    expect([await lists.listJobs([]), await lists.listJobs(['x'])]).toEqual([new Map(), new Map()]);
    expect(server.seen).toEqual([]);
  });

  test('asks for 2,000 jobs in short calls, four of them at once, and gives every one', async () => {
    let [underWay, most] = [0, 0];
    const { lists, server } = await start(async (call) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setTimeout(resolve, 20));
      underWay -= 1;
      return answerAll(call);
    });
    const wanted = Array.from({ length: 2000 }, (_, index) => String(2_147_480_000 + index));
    const found = await lists.listJobs(wanted);
    expect([...found.keys()].sort()).toEqual(wanted);
    expect(server.seen).toHaveLength(14);
    expect(most).toBe(4);
    expect(Math.max(...server.seen.map(({ path }) => server.url.length + path.length))).toBeLessThan(6 * 1024);
  });

  test('reads each call to its last page', async () => {
    const { lists, server } = await start(
      paged([page([stepOf('100-17'), jobOf('17')], 2), page([stepOf('200-17'), jobOf('17')], 2)]),
    );
    const steps = [listedStep('100-17'), listedStep('200-17')];
    expect(await lists.listJobs(['17'])).toEqual(new Map([['17', listedJob('17', steps)]]));
    expect(pageNumbers(server.seen)).toEqual([1, 2]);
  });

  test('stops asking when one call has failed', async () => {
    const { lists, server } = await start(async (call) => {
      if (idsIn(call).includes('1')) return { status: 503 };
      await new Promise((resolve) => setTimeout(resolve, 20));
      return answerAll(call);
    });
    const wanted = Array.from({ length: 2000 }, (_, index) => String(index + 1));
    expect(await refusedWith(lists.listJobs(wanted))).toMatchObject({ code: 'terrakubeUnavailable', status: 503 });
    await new Promise((resolve) => setTimeout(resolve, 90));
    expect(server.seen).toHaveLength(4);
  });
});
