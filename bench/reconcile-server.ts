// The servers of bench/reconcile.ts, in a process of their own so that their CPU is not counted: a cluster's API over
// HTTPS and a Terrakube over HTTP, with all pages of a world of so many Jobs as bytes.
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { epochMs } from '../lib/domain/time.ts';
import { makeCertificates } from '../local/cluster/certificates.ts';
import { listen } from '../local/lambda/listen.ts';
import { type BenchTerrakubeJob, makeWorld } from './reconcile-world.ts';

const PAGE = 500;
const { jobs, pods, events, terrakube } = makeWorld(Number(process.argv[2]), epochMs(Date.now()));
const certificates = await makeCertificates();

const chunked = <T>(items: readonly T[]): readonly (readonly T[])[] =>
  Array.from({ length: Math.max(1, Math.ceil(items.length / PAGE)) }, (_, at) =>
    items.slice(at * PAGE, (at + 1) * PAGE),
  );

const pagesOf = (kind: string, items: readonly string[]): readonly Buffer[] =>
  chunked(items).map((rows, index, all) => {
    const rest = index + 1 < all.length ? { continue: String(index + 1) } : {};
    const head = JSON.stringify({ kind, apiVersion: 'v1', metadata: { resourceVersion: '200000', ...rest } });
    return Buffer.from(`${head.slice(0, -1)},"items":[${rows.join()}]}`);
  });

const lists: readonly (readonly [ending: string, pages: readonly Buffer[]])[] = [
  ['/jobs', pagesOf('JobList', jobs)],
  ['/pods', pagesOf('PodList', pods)],
  ['/events', pagesOf('EventList', events)],
];

/** Terrakube's pages: steps by their ids, and with them the jobs that they belong to. */
function stepPages(listed: readonly BenchTerrakubeJob[]): readonly Buffer[] {
  const rows = listed.flatMap((job) => job.steps.map(([id, text]) => ({ id, text, job })));
  rows.sort((one, other) => (one.id < other.id ? -1 : 1));
  return chunked(rows).map((page, index, all) => {
    const totals = { number: index + 1, limit: PAGE, totalPages: all.length, totalRecords: rows.length };
    const included = [...new Set(page.map(({ job }) => job.job))];
    const meta = JSON.stringify({ page: totals });
    return Buffer.from(
      `{"data":[${page.map(({ text }) => text).join()}],"meta":${meta},"included":[${included.join()}]}`,
    );
  });
}

const byId = new Map(terrakube.map((job) => [job.id, job]));
const livePages = stepPages(terrakube.filter(({ isLive }) => isLive));
const pagesByFilter = new Map<string, readonly Buffer[]>();

function answerTerrakube(query: URLSearchParams): Buffer | undefined {
  const filter = query.get('filter[step]') ?? '';
  const listed = /^job\.id=in=\(([0-9,]+)\)$/.exec(filter)?.[1]?.split(',');
  let pages = listed ? pagesByFilter.get(filter) : livePages;
  if (!pages) {
    pages = stepPages((listed ?? []).flatMap((id) => byId.get(id) ?? []));
    pagesByFilter.set(filter, pages);
  }
  return pages[Number(query.get('page[number]')) - 1];
}

function answerCluster({ pathname, searchParams }: URL): Buffer | undefined {
  return lists.find(([ending]) => pathname.endsWith(ending))?.[1][Number(searchParams.get('continue') ?? 0)];
}

const seen: { url: string; bytes: number }[] = [];
const serve =
  (base: () => string, answer: (url: URL) => Buffer | undefined): RequestListener =>
  ({ url = '' }, response) => {
    if (url === '/seen') {
      response.end(JSON.stringify(seen.splice(0)));
      return;
    }
    const full = new URL(url, base());
    const body = answer(full);
    if (body) seen.push({ url: full.href, bytes: body.length });
    response.writeHead(body ? 200 : 404, { 'content-type': 'application/json', 'content-length': body?.length ?? 0 });
    response.end(body);
  };

let clusterUrl = '';
let terrakubeUrl = '';
const keys = { cert: certificates.certificatePem, key: certificates.keyPem };
clusterUrl = `https://127.0.0.1:${await listen(
  createTlsServer(
    keys,
    serve(() => clusterUrl, answerCluster),
  ),
)}`;
const terrakubeServer = createServer(
  serve(
    () => terrakubeUrl,
    ({ searchParams }) => answerTerrakube(searchParams),
  ),
);
terrakubeUrl = `http://127.0.0.1:${await listen(terrakubeServer)}`;
process.send?.({ clusterUrl, terrakubeUrl, caPem: certificates.caPem });
process.on('disconnect', () => process.exit());
