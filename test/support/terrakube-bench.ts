/**
 * A stand-in Terrakube with a sink in the dispatcher's place and short clocks: the bench on which its behaviour is tested.
 */
import { expect, vi } from 'vitest';
import { type StandInTerrakube, startTerrakube, type TerrakubeOptions } from '../../local/terrakube/terrakube.ts';
import type { TerrakubeEvent } from '../../local/terrakube/world.ts';
import { type DispatchSink, startDispatchSink } from './dispatch-sink.ts';
import { type Answered, exchange, internalClaims, JSON_API, signToken } from './terrakube-http.ts';

/** The key of the tests: 32 bytes. */
export const INTERNAL_SECRET: string = Buffer.alloc(32, 'terrakube').toString('base64url');

/** The bench, and the shortest ways to use it. */
export interface TerrakubeBench {
  readonly terrakube: StandInTerrakube;
  readonly sink: DispatchSink;
  readonly events: readonly TerrakubeEvent[];
  get(path: string): Promise<Answered>;
  patchJob(jobId: string, attributes: object): Promise<Answered>;
  /** Through the job's path. Default: the step with the lowest number. */
  patchStep(jobId: string, attributes: object, stepId?: string): Promise<Answered>;
  deleteJob(jobId: string): Promise<Answered>;
  postLogs(jobId: string, text: string): Promise<Answered>;
  /** Waits until the job has this status; at most 5 s, as every wait here. */
  untilStatus(jobId: string, status: string): Promise<void>;
  untilPosts(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a bench. */
export async function startTerrakubeBench(options: Partial<TerrakubeOptions> = {}): Promise<TerrakubeBench> {
  const sink = await startDispatchSink();
  const events: TerrakubeEvent[] = [];
  const terrakube = await startTerrakube({
    internalSecret: INTERNAL_SECRET,
    executorUrl: sink.url,
    resendAfterMs: 150,
    answerTimeoutMs: 5000,
    onEvent: (event) => events.push(event),
    ...options,
  });

  async function send(method: string, path: string, body?: unknown): Promise<Answered> {
    const authorization = `Bearer ${await signToken(INTERNAL_SECRET, internalClaims())}`;
    return exchange(terrakube.url, { method, path, headers: { authorization, 'Content-Type': JSON_API }, body });
  }

  const pathOf = (jobId: string): string => `/api/v1/organization/${terrakube.job(jobId).organizationId}/job/${jobId}`;

  return {
    terrakube,
    sink,
    events,
    get: (path) => send('GET', path),
    patchJob: (jobId, attributes) => send('PATCH', pathOf(jobId), { data: { type: 'job', id: jobId, attributes } }),
    patchStep(jobId, attributes, stepId = terrakube.job(jobId).steps[0]?.stepId ?? '') {
      return send('PATCH', `${pathOf(jobId)}/step/${stepId}`, { data: { type: 'step', id: stepId, attributes } });
    },
    deleteJob: (jobId) => send('DELETE', pathOf(jobId)),
    postLogs: (jobId, output) =>
      send('POST', '/logs', { data: [{ jobId: Number(jobId), stepId: 's', lineNumber: 1, output }] }),
    untilStatus: (jobId, status) => until(() => expect(terrakube.job(jobId).status).toBe(status)),
    untilPosts: (count) => until(() => expect(sink.received).toHaveLength(count)),
    async close() {
      await terrakube.close();
      await sink.close();
    },
  };
}

/** Tries until it holds; at most 15 s. */
export function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 15_000, interval: 5 });
}

/** The steps of the command-line template. */
export const PLAN_APPROVE_APPLY = [
  { type: 'terraformPlan', name: 'Plan', stepNumber: 100 },
  { type: 'approval', name: 'Approve', stepNumber: 150 },
  { type: 'terraformApply', name: 'Apply', stepNumber: 200 },
] as const;

/** One step, as most recorded jobs have. */
export const HELLO = [{ type: 'customScripts', name: 'Say hello' }] as const;
