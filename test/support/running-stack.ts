// The whole product for a test file, with everything that it writes kept for the assertions.
import { afterAll, beforeAll } from 'vitest';
import { clusterApis } from '../../local/executor-secret.ts';
import { textAt } from '../../local/json.ts';
import { type Stack, type StackOptions, startStack } from '../../local/stack.ts';

/** A stack and what was seen of it. */
export interface RunningStack {
  readonly stack: Stack;
  /** Log lines of the functions, parsed. */
  readonly logs: readonly Readonly<Record<string, unknown>>[];
  /** Every line of functions and executors, as it was written. */
  readonly lines: readonly string[];
  /** How many executors were started, by Terrakube job. */
  startedPods(jobId: string): number;
  readonly kubernetes: ReturnType<typeof clusterApis>;
}

/** Starts a stack before the tests of the file, and stops it after them. */
export function useStack(options: StackOptions = {}): () => RunningStack {
  let running: RunningStack | undefined;
  beforeAll(async () => {
    running = await startRunningStack(options);
  });
  afterAll(() => running?.stack.close());
  return () => {
    if (!running) throw new Error('the stack is not up yet');
    return running;
  };
}

/** Starts a stack. The caller closes it. */
export async function startRunningStack(options: StackOptions = {}): Promise<RunningStack> {
  const lines: string[] = [];
  const logs: Readonly<Record<string, unknown>>[] = [];
  const pods = new Map<string, Set<string>>();
  const stack = await startStack({
    ...options,
    onFunctionLog: (log) => {
      lines.push(log.line);
      if (log.line.startsWith('{')) logs.push(JSON.parse(log.line));
      options.onFunctionLog?.(log);
    },
    onExecutorLog: (pod, text) => {
      lines.push(text);
      options.onExecutorLog?.(pod, text);
    },
    onClusterChange: (change) => {
      const { kind, metadata } = change.object;
      const jobId = textAt(metadata, 'labels', 'terrakube.io/job');
      if (kind === 'Pod' && change.type === 'ADDED' && jobId !== undefined) {
        pods.set(jobId, (pods.get(jobId) ?? new Set()).add(metadata.name));
      }
      options.onClusterChange?.(change);
    },
  });
  return {
    stack,
    logs,
    lines,
    startedPods: (jobId) => pods.get(jobId)?.size ?? 0,
    kubernetes: clusterApis({ cluster: stack.cluster, token: stack.clusterToken }),
  };
}

/** Waits until something is so. @throws Error naming what was waited for. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, limitMs = 30_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
