// Terrakube's jobs of all organizations: the one list that can be filtered by status and read page by page is that of
// steps. Only the fields that we use are asked for: each job would carry its template.
import { DispatcherError } from '../domain/errors.ts';
import type { ListedTerrakubeJob } from '../domain/terrakube-job.ts';
import type { TerrakubeJobs } from '../ports.ts';
import { parseTerrakubeSteps, type TerrakubeStepPage } from '../schemas/terrakube-list.ts';
import { encodeQuery, refusedByTerrakube, type TerrakubeCall } from './terrakube-http.ts';

const LIST = '/api/v1/step';
const LIVE = 'job.status=in=(pending,approved,queue,running)';
const SPARSE =
  'include=job&fields[step]=stepNumber,status,name,output,job' +
  '&fields[job]=status,comments,updatedDate,organization,workspace&sort=id&page[size]=500&page[totals]';
/** 50,000 steps. Whoever has more of them at once has another problem. */
const MAX_PAGES = 100;
/** Most jobs have three steps: they fit one page, and the URL stays far below what proxies take. */
const IDS_IN_A_CALL = 150;
const CALLS_AT_ONCE = 4;
/** Terrakube counts its jobs with 32 bits, and refuses a list that names any other number. */
const MAX_JOB_ID = 2 ** 31 - 1;

/** Creates the client on a connection that it shares with others. It needs no IAM action and no RBAC verb. */
export function createTerrakubeJobs(call: TerrakubeCall): TerrakubeJobs {
  const readPage = async (filter: string, page: number): Promise<TerrakubeStepPage> => {
    const reply = await call('GET', `${LIST}?${encodeQuery(`filter[step]=${filter}&${SPARSE}&page[number]=${page}`)}`);
    if (reply.status === 404) throw refusedByTerrakube(reply, `GET ${LIST}`);
    const steps = parseTerrakubeSteps(reply.body);
    if (!steps) {
      throw new DispatcherError('terrakubeRefused', `Terrakube's answer to GET ${LIST} is not a list of steps.`);
    }
    return steps;
  };
  const readPages = async (filter: string): Promise<readonly TerrakubeStepPage[]> => {
    const pages: TerrakubeStepPage[] = [];
    for (let number = 1; pages.length < MAX_PAGES; ) {
      const page = await readPage(filter, number);
      const rowsBefore = pages.at(-1)?.totalRecords ?? 0;
      pages.push(page);
      // What has ended meanwhile let others move up, maybe past us to the page before.
      if (page.totalRecords < rowsBefore && number > 1) number -= 1;
      else if (number < page.totalPages) number += 1;
      else return pages;
    }
    throw new DispatcherError('terrakubeRefused', `Terrakube's list of steps did not end within ${MAX_PAGES} pages.`);
  };
  return {
    listLiveJobs: async () => jobsOf(await readPages(LIVE)),
    async listJobs(jobIds) {
      const pages: TerrakubeStepPage[] = [];
      const chunks = chunksOf(jobIds.filter(isJobId));
      const readChunks = async (): Promise<void> => {
        for (const ids of chunks) pages.push(...(await readPages(`job.id=in=(${ids.join()})`)));
      };
      await Promise.all(Array.from({ length: CALLS_AT_ONCE }, readChunks));
      return jobsOf(pages);
    },
  };
}

const isJobId = (id: string): boolean => /^[0-9]+$/.test(id) && Number(id) <= MAX_JOB_ID;

/** Whoever takes a chunk takes it from all others; a chunk that fails is the last that anybody takes. */
function* chunksOf(jobIds: readonly string[]): Generator<readonly string[], void> {
  const distinct = [...new Set(jobIds)];
  for (let at = 0; at < distinct.length; at += IDS_IN_A_CALL) yield distinct.slice(at, at + IDS_IN_A_CALL);
}

/** A job or step that several pages tell of is as the last of them says. */
function jobsOf(pages: readonly TerrakubeStepPage[]): ReadonlyMap<string, ListedTerrakubeJob> {
  const jobs = new Map(pages.flatMap((page) => page.jobs).map((job) => [job.id, job]));
  const steps = new Map(pages.flatMap((page) => page.steps).map((row) => [row.step.id, row]));
  const listed = new Map<string, ListedTerrakubeJob>();
  for (const [id, rows] of Map.groupBy(steps.values(), ({ jobId }) => jobId)) {
    const job = jobs.get(id);
    const sorted = rows.map(({ step }) => step).sort((one, other) => one.stepNumber - other.stepNumber);
    if (job) listed.set(id, { ...job, steps: sorted });
  }
  return listed;
}
