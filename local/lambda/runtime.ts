/**
 * Lambda on this machine: for each function a pool of sandboxes that grows with the invocations that overlap, up to
 * the function's concurrency. No layers, extensions, versions or asynchronous invocation.
 */
import { resolve as resolvePath } from 'node:path';
import { type InvokeResult, type LambdaFunction, type Sandbox, type SandboxOptions, startSandbox } from './sandbox.ts';

/** How the local Lambda is set up. */
export interface LambdaRuntimeOptions extends Pick<SandboxOptions, 'onLog' | 'onUsage'> {
  readonly functions: readonly LambdaFunction[];
  /** The Node.js that runs the functions. Default is this process' own. */
  readonly node?: string;
}

/** The functions of one stack, ready to be invoked. */
export interface LambdaRuntime {
  /** Invokes a function and waits for its answer. Never rejects because of what the function does. */
  invoke(name: string, event: unknown): Promise<InvokeResult>;
  /** How many sandboxes were started for a function until now (cold starts). */
  startedSandboxes(name: string): number;
  /** Kills the sandboxes of a function, as a host that fails does: what runs ends with `Runtime.ExitError`. */
  kill(name: string): Promise<void>;
  /** Kills all sandboxes; what is still running ends with `Runtime.ExitError`. */
  close(): Promise<void>;
}

/** AWS gives 10 to a new account; enough for one machine. */
const DEFAULT_CONCURRENCY = 10;

/** Makes a Lambda that holds the given functions. Nothing is started before the first invocation. */
export function createLambdaRuntime({
  functions,
  onLog,
  onUsage,
  node = process.execPath,
}: LambdaRuntimeOptions): LambdaRuntime {
  const pools = new Map(
    functions.map((spec) => {
      const absolute = { ...spec, codeUri: resolvePath(spec.codeUri) };
      return [spec.name, createPool(spec.concurrency, () => startSandbox(absolute, { onLog, node, onUsage }))];
    }),
  );
  return {
    invoke: async (name, event) => pools.get(name)?.invoke(JSON.stringify(event)) ?? notFound(name),
    startedSandboxes: (name) => pools.get(name)?.started() ?? 0,
    kill: async (name) => pools.get(name)?.kill(),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
    },
  };
}

interface Pool {
  invoke(payload: string): Promise<InvokeResult>;
  started(): number;
  kill(): Promise<void>;
  close(): Promise<void>;
}

function createPool(concurrency: number | undefined, start: () => Promise<Sandbox>): Pool {
  const limit = concurrency ?? DEFAULT_CONCURRENCY;
  const sandboxes = new Set<Sandbox>();
  const starting = new Set<Promise<Sandbox>>();
  const idle: Sandbox[] = [];
  let closed = false;
  let busy = 0;
  let started = 0;

  const take = async (): Promise<Sandbox> => {
    for (let sandbox = idle.pop(); sandbox; sandbox = idle.pop()) {
      if (sandbox.alive) {
        return sandbox;
      }
      sandboxes.delete(sandbox);
    }
    started += 1;
    const pending = start();
    starting.add(pending);
    const sandbox = await pending.finally(() => starting.delete(pending));
    sandboxes.add(sandbox);
    return sandbox;
  };

  return {
    invoke: async (payload) => {
      if (closed) {
        return { status: 500, payload: JSON.stringify({ Type: 'Service', Message: 'the local Lambda is closed' }) };
      }
      if (busy >= limit) {
        return throttled();
      }
      busy += 1;
      try {
        const sandbox = await take();
        const result = await sandbox.invoke(payload);
        idle.push(sandbox);
        return result;
      } finally {
        busy -= 1;
      }
    },
    started: () => started,
    kill: async () => {
      await Promise.all([...sandboxes].map((sandbox) => sandbox.close()));
    },
    close: async () => {
      closed = true;
      const late = await Promise.allSettled(starting);
      const lateSandboxes = late.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      await Promise.all([...sandboxes, ...lateSandboxes].map((sandbox) => sandbox.close()));
    },
  };
}

function throttled(): InvokeResult {
  const body = { Reason: 'ConcurrentInvocationLimitExceeded', Type: 'User', message: 'Rate Exceeded.' };
  return { status: 429, payload: JSON.stringify(body) };
}

function notFound(name: string): InvokeResult {
  return { status: 404, payload: JSON.stringify({ Type: 'User', Message: `Function not found: ${name}` }) };
}
