// A reconciler between a real cluster and a stand-in Terrakube, through proxies that break one of its calls. A pass is what a
// run does at its start: read both worlds, plan, do, and answer dead letters; with the real flows and the real clients.
import type { KubernetesApiOptions } from '../../lib/clients/kubernetes-api.ts';
import { createKubernetesReconciler } from '../../lib/clients/kubernetes-reconciler.ts';
import { createTerrakube } from '../../lib/clients/terrakube-api.ts';
import { createTerrakubeCall } from '../../lib/clients/terrakube-http.ts';
import { createTerrakubeJobs } from '../../lib/clients/terrakube-jobs.ts';
import { DispatcherError } from '../../lib/domain/errors.ts';
import { durationMs, epochMs } from '../../lib/domain/time.ts';
import { errorFields } from '../../lib/door.ts';
import { answerDeadLetters } from '../../lib/flows/answer-dead-letters.ts';
import { createHand, type HandDeps } from '../../lib/flows/mend-hand.ts';
import { createMirror } from '../../lib/flows/mirror.ts';
import { type ReadDeps, readWorlds } from '../../lib/flows/read-worlds.ts';
import { planPass } from '../../lib/flows/reconcile.ts';
import { createReconcileMemory } from '../../lib/flows/reconcile-memory.ts';
import type { Clock, DeadLetter, DeadLetters } from '../../lib/ports.ts';
import { readQueueBody } from '../../lib/schemas/queue-body.ts';
import { createInMemoryLog, type InMemoryLog } from './in-memory-log.ts';
import { type Deed, type MeddledCall, type MeddlingProxy, startMeddlingProxy } from './meddling-proxy.ts';
import { createSecretDouble } from './secret-double.ts';
import { type Around, tap } from './tap.ts';
import { verdictSettings } from './verdict-builders.ts';

/** What happens to one call of a pass. */
export interface Fault {
  readonly name: string;
  /** Before the server sees the request. */
  before?(call: MeddledCall): Deed | undefined;
  /** After the server has carried it out. */
  after?(call: MeddledCall): Deed | undefined;
  /** Whether the same happens to all calls after it. */
  readonly lasts?: boolean;
  /** Whether the process is gone with it. */
  readonly kills?: boolean;
}

/** The reconciler's way to both worlds. */
export interface FaultyWay {
  /** One pass. @param installation whose. @returns how many calls it made, and what it wrote down. */
  pass(about: Pass): Promise<{ readonly calls: number; readonly log: InMemoryLog }>;
  close(): Promise<void>;
}

/** One pass. */
export interface Pass {
  readonly installation: string;
  readonly letters: Letters;
  /** How much later it is than it is, in milliseconds, by all clocks. */
  readonly laterMs: number;
  /** Number of the call that meets the fault, from 1. */
  readonly at?: number;
  readonly fault?: Fault;
}

/** A dead-letter queue that several passes see. */
export interface Letters {
  readonly left: Map<string, DeadLetter>;
}

/** Where the servers are. */
export interface Servers {
  readonly cluster: {
    readonly url: string;
    readonly caPem: string;
    readonly token: string;
    readonly namespace: string;
  };
  readonly terrakube: { readonly url: string; readonly internalSecret: string };
}

/** Silence after which a client gives up: long for a busy machine, and short for a test where silence is what it meets. */
const TIMEOUT_MS = { undisturbed: 10_000, faulty: 1500 } as const;
/** Pauses of the flows are made so much shorter. */
const HASTE = 100;

/** Opens the way. */
export async function openFaultyWay({ cluster, terrakube }: Servers): Promise<FaultyWay> {
  const toCluster = await startMeddlingProxy(cluster.url, cluster.caPem);
  const toTerrakube = await startMeddlingProxy(terrakube.url);
  return {
    async pass(about) {
      const log = createInMemoryLog();
      const death = Promise.withResolvers<void>();
      const count = meddle([toCluster, toTerrakube], about, death.resolve);
      const clock = laterClock(about.laterMs);
      const deps = depsOf({ cluster, terrakube }, { toCluster, toTerrakube, clock, about, log, death: death.promise });
      await Promise.race([death.promise, onePass(deps, about, log)]);
      return { calls: count(), log };
    },
    async close() {
      await Promise.all([toCluster.close(), toTerrakube.close()]);
    },
  };
}

function meddle(proxies: readonly MeddlingProxy[], { at, fault }: Pass, die: () => void): () => number {
  let calls = 0;
  const isMet = (): boolean => calls === at || (fault?.lasts === true && at !== undefined && calls > at);
  for (const proxy of proxies) {
    let met: MeddledCall | undefined;
    proxy.meddle({
      before: (call) => {
        calls += 1;
        if (!fault || !isMet()) return undefined;
        met = call;
        const deed = fault.before?.(call);
        if (fault.kills && deed) die();
        return deed;
      },
      after: (call) => {
        if (!fault || met !== call) return undefined;
        const deed = fault.after?.(call);
        if (fault.kills && deed) die();
        return deed;
      },
    });
  }
  return () => calls;
}

const laterClock = (laterMs: number): Clock => ({
  now: () => epochMs(Date.now() + laterMs),
  sleep: (duration) => new Promise((resolve) => setTimeout(resolve, duration / HASTE)),
});

interface Wiring {
  readonly toCluster: MeddlingProxy;
  readonly toTerrakube: MeddlingProxy;
  readonly clock: Clock;
  readonly about: Pass;
  readonly log: InMemoryLog;
  readonly death: Promise<void>;
}

type PassDeps = HandDeps & ReadDeps;

function depsOf({ cluster: real, terrakube: { internalSecret } }: Servers, at: Wiring): PassDeps {
  const { clock, about, log } = at;
  let isDead = false;
  void at.death.then(() => {
    isDead = true;
  });
  // A process that is gone calls nobody, and nobody hears what it was told.
  const around: Around = async (_, call) => {
    const never = new Promise<never>(() => undefined);
    const answer = isDead ? await never : await call();
    return isDead ? never : answer;
  };
  const timeoutMs = about.fault ? TIMEOUT_MS.faulty : TIMEOUT_MS.undisturbed;
  const address = { endpoint: at.toCluster.url, caPem: at.toCluster.caPem };
  const options: KubernetesApiOptions = {
    cluster: { get: async () => address, forget: () => false },
    token: { get: async () => real.token, forget: () => undefined },
    namespace: real.namespace,
    now: clock.now,
    timeoutMs,
  };
  const cluster = createKubernetesReconciler(options);
  const { serverNow, watchJobs, watchPods } = cluster;
  const call = createTerrakubeCall({
    apiUrl: at.toTerrakube.url,
    secret: createSecretDouble(internalSecret),
    now: () => epochMs(Date.now()),
    timeoutMs,
  });
  return {
    cluster: {
      ...tap(cluster, around),
      serverNow: () => epochMs(serverNow() + about.laterMs),
      watchJobs,
      watchPods,
    },
    terrakube: tap(createTerrakube(call), around),
    terrakubeJobs: tap(createTerrakubeJobs(call), around),
    clock,
    log,
    errorFields,
    installation: about.installation,
    settings: { ...verdictSettings(), keepAlive: false },
    maxStarts: 3,
    memory: createReconcileMemory(),
    metrics: { put: () => undefined },
  };
}

async function onePass(deps: PassDeps, { letters }: Pass, log: InMemoryLog): Promise<void> {
  const answering = answerDeadLetters({
    ...deps,
    deadLetters: queueOf(letters),
    log,
    read: readQueueBody,
    isReportOnly: false,
  });
  try {
    const worlds = await readWorlds(deps);
    const hand = createHand(deps, createMirror(worlds, deps.installation));
    for (const planned of planPass(deps, worlds).deeds) hand.take(planned);
    while (!hand.isIdle()) await deps.clock.sleep(durationMs(5 * HASTE));
    await hand.rest();
  } catch (error) {
    if (!(error instanceof DispatcherError)) throw error;
    log.error('run failed', errorFields(error));
  }
  await answering;
}

function queueOf({ left }: Letters): DeadLetters {
  let given = false;
  return {
    async receive() {
      if (given) return [];
      given = true;
      return [...left.values()];
    },
    remove: async (receiptHandle) => void left.delete(receiptHandle),
  };
}
