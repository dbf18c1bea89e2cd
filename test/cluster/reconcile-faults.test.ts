// A pass of the reconciler meets a fault at one of its calls, or is killed there: the next pass leaves the same world behind as
// two that nothing has happened to. On a real API server, with the real flows and clients.
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTerrakubeApi } from '../../lib/clients/terrakube-api.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { listen } from '../../local/lambda/listen.ts';
import { startTerrakube } from '../../local/terrakube/terrakube.ts';
import { applyRoles } from '../support/audited-world.ts';
import { createClusterClient } from '../support/cluster-client.ts';
import { type SceneWorld, timeless, worldOf } from '../support/fault-scene-world.ts';
import { FAULT_SCENES, type FaultScene, type SetScene, type Stage, setScene } from '../support/fault-scenes.ts';
import { type Fault, type FaultyWay, openFaultyWay } from '../support/fault-world.ts';
import type { Deed } from '../support/meddling-proxy.ts';
import { createSecretDouble } from '../support/secret-double.ts';

import { type RealCluster, realCluster } from './support/real-cluster.ts';

const INTERNAL_SECRET = Buffer.alloc(32, 'faults').toString('base64url');
/** A minute and a half after the scene was set, and as much later again: a claim may be taken over by then. */
const FIRST_PASS_AT_MS = 90_000;
const LATER_PASSES_AT_MS = [180_000, 270_000] as const;

const status = (code: number, why: string, headers = {}): Deed => ({
  kind: 'answer',
  status: code,
  headers,
  body: JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason: why, message: why }),
});
const reset: Deed = { kind: 'reset' };
const hang: Deed = { kind: 'hang' };

const FAULTS: readonly Fault[] = [
  { name: 'the server is down from then on', before: () => reset, lasts: true },
  { name: 'the connection is reset before anything is done', before: () => reset },
  { name: 'the connection is reset after it was done', after: () => reset },
  { name: '500', before: () => status(500, 'InternalError') },
  { name: '503', before: () => status(503, 'ServiceUnavailable') },
  { name: '429 with Retry-After', before: () => status(429, 'TooManyRequests', { 'retry-after': '1' }) },
  {
    name: '409',
    // To the delete of a Secret it says that another one has taken the name.
    before: ({ method, path }) => (method === 'DELETE' && path.includes('/secrets/') ? reset : status(409, 'Conflict')),
  },
  { name: '401', before: () => status(401, 'Unauthorized') },
  { name: 'no answer', before: () => hang },
  { name: 'no answer after it was done', after: () => hang },
  { name: 'garbage', before: () => ({ kind: 'answer', status: 200, body: '<html>It works!</html>' }) },
  { name: 'the process is killed before it is done', before: () => hang, kills: true },
  { name: 'the process is killed after it was done', after: () => hang, kills: true },
];

/** At each call one of the faults, in turn; `EVERY_FAULT=1` tries all of them, for minutes. */
const IS_WHOLE = process.env['EVERY_FAULT'] === '1';
const ONE_OF = IS_WHOLE ? 1 : FAULTS.length;

describe.concurrent('a pass that has to', { timeout: IS_WHOLE ? 1_800_000 : 110_000 }, () => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await realCluster('faults');
    await applyRoles({ ...cluster, auditLog: '' });
  });
  afterAll(() => cluster?.close());

  test.each(FAULT_SCENES.map((scene, index) => ({ scene, index, name: scene.name })))(
    '$name ends the same whatever happens to it',
    async ({ scene, index }) => {
      const set = await openStage(cluster);
      try {
        const { calls, world, lines } = await undisturbed(set, scene);
        const differences: unknown[] = [];
        let tried = 0;
        for (let at = 1; at <= calls; at += 1) {
          for (const [number, fault] of FAULTS.entries()) {
            if ((number + at + index) % ONE_OF !== 0) continue;
            tried += 1;
            const cell = await disturbed(set, scene, { at, fault });
            const extra = tooOften(cell.lines, lines);
            if (!isSame(cell.world, world) || extra.length > 0 || cell.surprises.length > 0)
              differences.push({ at, fault: fault.name, ...cell, extra });
          }
        }
        if (IS_WHOLE) console.info(`${scene.name}: ${calls} calls, ${tried} faults`);
        expect(differences).toEqual([]);
      } finally {
        await set.close();
      }
    },
  );
});

interface SetStage {
  readonly stage: Stage;
  readonly way: FaultyWay;
  linesOf(jobId: string): readonly string[];
  close(): Promise<void>;
}

async function openStage(cluster: RealCluster): Promise<SetStage> {
  const dispatch = createServer((incoming, response) => {
    incoming.resume();
    response.writeHead(202, { 'content-length': '0' }).end();
  });
  const lines = new Map<string, string[]>();
  const dispatches = new Map<string, number>();
  const terrakube = await startTerrakube({
    internalSecret: INTERNAL_SECRET,
    executorUrl: `http://127.0.0.1:${await listen(dispatch)}/api/v1/terraform-rs`,
    onEvent: ({ kind, jobId, text = '' }) => {
      if (kind === 'posted' || kind === 'resent') dispatches.set(jobId, (dispatches.get(jobId) ?? 0) + 1);
      if (kind === 'log') lines.set(jobId, [...(lines.get(jobId) ?? []), text]);
    },
  });
  const client = createClusterClient({ ...cluster, token: cluster.tokens.admin });
  const api = createTerrakubeApi({
    apiUrl: terrakube.url,
    secret: createSecretDouble(INTERNAL_SECRET),
    now: () => epochMs(Date.now()),
  });
  const { url, caPem, namespace, tokens } = cluster;
  const way = await openFaultyWay({
    cluster: { url, caPem, namespace, token: tokens.reconcile },
    terrakube: { url: terrakube.url, internalSecret: INTERNAL_SECRET },
  });
  return {
    stage: { client, namespace, terrakube, api, dispatchesOf: (jobId) => dispatches.get(jobId) ?? 0 },
    way,
    linesOf: (jobId) => lines.get(jobId) ?? [],
    async close() {
      await way.close();
      client.close();
      await terrakube.close();
      dispatch.closeAllConnections();
      dispatch.close();
    },
  };
}

const linesFor = ({ linesOf }: SetStage, { ids }: SetScene) => linesOf(ids.jobId).map((line) => timeless(line, ids));

async function undisturbed(set: SetStage, scene: FaultScene) {
  const { stage, way } = set;
  const at = await setScene(stage, scene);
  const { calls } = await way.pass({ ...at, laterMs: FIRST_PASS_AT_MS });
  for (const laterMs of LATER_PASSES_AT_MS) await way.pass({ ...at, laterMs });
  const world = await settledWorld(set, at, scene);
  expect([world.terrakube.status, world.terrakube.steps[0]?.[0]]).toEqual(scene.ends);
  expect(calls).toBeGreaterThan(3);
  return { calls, world, lines: linesFor(set, at) };
}

/** A job that was started again is dispatched once more, a moment later. */
async function settledWorld({ stage }: SetStage, at: SetScene, { ends }: FaultScene) {
  for (let tries = 0; tries < 50 && stage.terrakube.job(at.ids.jobId).status !== ends[0]; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  return worldOf(stage, at);
}

async function disturbed(
  set: SetStage,
  scene: FaultScene,
  { at, fault }: { readonly at: number; readonly fault: Fault },
) {
  const { stage, way } = set;
  const scene1 = await setScene(stage, scene);
  const first = await way.pass({ ...scene1, laterMs: FIRST_PASS_AT_MS, at, fault });
  const surprises = first.log.lines.filter(({ code }) => code === 'unexpected');
  for (const laterMs of LATER_PASSES_AT_MS.slice(0, scene.passes ?? 1)) {
    const { log } = await way.pass({ ...scene1, laterMs });
    surprises.push(...log.lines.filter(({ code }) => code !== undefined));
  }
  return { world: await settledWorld(set, scene1, scene), lines: linesFor(set, scene1), surprises };
}

/** A write whose answer was lost is sent again on another connection: Terrakube then dispatches the step once more. */
const isSame = ({ dispatches, ...one }: SceneWorld, { dispatches: wanted, ...other }: SceneWorld): boolean =>
  JSON.stringify(one) === JSON.stringify(other) && dispatches >= wanted && dispatches <= wanted + 1;

/** Lines that are there more than once more than they should be, or not at all. */
function tooOften(lines: readonly string[], wanted: readonly string[]): readonly string[] {
  const count = (of: readonly string[], line: string): number => of.filter((one) => one === line).length;
  return [...new Set([...lines, ...wanted])].filter(
    (line) =>
      count(wanted, line) === 0 ||
      count(lines, line) < count(wanted, line) ||
      count(lines, line) > count(wanted, line) + 1,
  );
}
