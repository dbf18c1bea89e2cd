/**
 * A small Kubernetes API server on 127.0.0.1, for tests and for the product on one machine: Jobs, Pods and Secrets over HTTPS,
 * with the controllers that make them live. It answers the way a real server was seen to answer, or not at all (404).
 */

import { createServer, type Server } from 'node:https';
import { makeCertificates } from './certificates.ts';
import { startGarbageCollector } from './garbage-collector.ts';
import { createHandler, type Handler, writeAnswer } from './http.ts';
import { startJobController } from './job-controller.ts';
import { createLister } from './list.ts';
import type { ClusterObject } from './objects.ts';
import { createOperations, type Operations } from './operations.ts';
import { podCollectionMs, startPodCollector } from './pod-tracking.ts';
import { createRules, type Rule, type Rules } from './rules.ts';
import { createStore, type Store } from './store.ts';

/** How the cluster starts. */
export interface ClusterOptions {
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** The namespaces that exist; by default `terrakube`. */
  readonly namespaces?: readonly string[];
  /** Between two rounds of the pod garbage collector; 20 s by default. */
  readonly podCollectionMs?: number;
  /** The user behind a bearer token; undefined is answered 401. */
  authenticate(token: string): Promise<string | undefined>;
  /** Starts what makes pods of Jobs; the answer stops it. By default the job controller. */
  startJobs?(store: Store, operations: Operations): () => void;
  /** Called for every change, at once. */
  onChange?(change: ClusterChange): void;
}

/** A change of one object, as a watch shows it. */
export interface ClusterChange {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: ClusterObject;
}

/** What the cluster was asked so far. `status` is 0 where the connection was broken on purpose. */
interface ClusterStats {
  readonly requests: readonly { readonly method: string; readonly path: string; readonly status: number }[];
  /** TLS handshakes; a client that keeps its connection alive needs one. */
  readonly handshakes: number;
}

/** A running cluster. */
export interface StandInCluster {
  readonly url: string;
  /** The authority that clients must trust. */
  readonly caPem: string;
  readonly stats: ClusterStats;
  /** Puts a recorded answer, or a broken connection, in the way of the next request that fits. */
  answerNext(rule: Rule): void;
  /** Ends watches and connections, and stops the controllers. */
  close(): Promise<void>;
}

/** Idle connections are kept this long, so that a client's pool is what decides. */
const keepAliveMs = 120_000;

/** Starts a cluster. */
export async function startCluster(options: ClusterOptions): Promise<StandInCluster> {
  const store = createStore();
  const operations = createOperations(store, options.namespaces ?? ['terrakube']);
  const rules = createRules();
  const { authenticate, onChange } = options;
  if (onChange !== undefined) store.subscribe(({ type, object }) => onChange({ type, object }));
  const stoppers = [
    (options.startJobs ?? startJobController)(store, operations),
    startGarbageCollector(store, operations),
    startPodCollector(store, operations, options.podCollectionMs ?? podCollectionMs),
  ];
  const handler = createHandler({ store, operations, lister: createLister(store), authenticate });

  const certificates = await makeCertificates();
  const server = createServer({ cert: certificates.certificatePem, key: certificates.keyPem });
  server.keepAliveTimeout = keepAliveMs;
  const stats = serve(server, handler, rules);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });

  return {
    url: `https://127.0.0.1:${portOf(server)}`,
    caPem: certificates.caPem,
    stats,
    answerNext: rules.add,
    close: async () => {
      for (const stop of stoppers) stop();
      handler.endWatches();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function serve(server: Server, handler: Handler, rules: Rules): ClusterStats {
  const requests: { method: string; path: string; status: number }[] = [];
  let handshakes = 0;
  server.on('secureConnection', () => {
    handshakes += 1;
  });
  server.on('request', async (request, response) => {
    const { method = 'GET', url: path = '/' } = request;
    const entry = { method, path, status: 0 };
    requests.push(entry);
    const rule = rules.take(method, path);
    if (rule !== undefined && 'drop' in rule) return request.destroy();
    const recorded = rule !== undefined && 'status' in rule ? rule : undefined;
    const answer = recorded ?? (await handler.answer(request, response));
    if (rule !== undefined && 'dropAfter' in rule) return response.destroy();
    entry.status = answer?.status ?? response.statusCode;
    if (answer !== undefined) writeAnswer(response, answer);
    return undefined;
  });
  return {
    requests,
    get handshakes() {
      return handshakes;
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
