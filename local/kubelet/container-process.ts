/**
 * One container as one process in a process group of its own: SIGTERM goes to the process alone, as to a container's first
 * process; once that has ended, or must, SIGKILL goes to the whole group.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { ProcessPlan } from './environment.ts';

/** How a container ended. */
export interface ContainerEnd {
  readonly exitCode: number;
  /** False when the command could not be started at all. */
  readonly started: boolean;
  /** Why it could not be started. */
  readonly fault?: string;
  readonly finishedAtMs: number;
  /** The last lines of its output. */
  readonly lastLines: readonly string[];
}

/** A container that was told to start. */
export interface ContainerProcess {
  /** False when the command could not be started; `ended` says why. */
  readonly started: boolean;
  readonly startedAtMs: number;
  readonly ended: Promise<ContainerEnd>;
  /** Asks the process to end, and kills the group `graceSeconds` later. A later call can only shorten that. */
  stop(graceSeconds: number): void;
  kill(): void;
}

/** How a container is started. */
export interface ContainerOptions extends ProcessPlan {
  readonly cwd: string;
  onLine(stream: 'stdout' | 'stderr', text: string): void;
}

/** Exit code of a container whose command cannot be started. */
const startErrorCode = 128;

/** Lines that are kept for the termination message. */
const keptLines = 80;

/** A grandchild that has left the group can hold the output open; it is not waited for longer than this. */
const maxDrainMs = 500;

/** Starts the process. Rejects never: a command that cannot be started ends with `started: false`. */
export async function startContainer(options: ContainerOptions): Promise<ContainerProcess> {
  const startedAtMs = Date.now();
  const lastLines: string[] = [];
  const child = await spawnChild(options);
  if (typeof child === 'string') {
    const end = { exitCode: startErrorCode, started: false, fault: child, finishedAtMs: Date.now(), lastLines };
    return { started: false, startedAtMs, ended: Promise.resolve(end), stop: () => undefined, kill: () => undefined };
  }
  const keep = (stream: 'stdout' | 'stderr', text: string): void => {
    lastLines.push(text);
    if (lastLines.length > keptLines) lastLines.shift();
    options.onLine(stream, text);
  };
  const output = [readLines(child.stdout, 'stdout', keep), readLines(child.stderr, 'stderr', keep)];
  let deadline: NodeJS.Timeout | undefined;
  const kill = (): void => killGroup(child);
  const ended = new Promise<ContainerEnd>((resolve) => {
    child.once('exit', async (code, signal) => {
      const finishedAtMs = Date.now();
      clearTimeout(deadline);
      kill();
      await Promise.race([Promise.all(output), pause(maxDrainMs)]);
      const exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      resolve({ exitCode, started: true, finishedAtMs, lastLines });
    });
  });
  let killAtMs = Number.POSITIVE_INFINITY;
  const stop = (graceSeconds: number): void => {
    const atMs = Date.now() + graceSeconds * 1000;
    if (atMs >= killAtMs) return;
    if (killAtMs === Number.POSITIVE_INFINITY) child.kill('SIGTERM');
    killAtMs = atMs;
    clearTimeout(deadline);
    deadline = setTimeout(kill, graceSeconds * 1000);
  };
  return { started: true, startedAtMs, ended, stop, kill };
}

/** The running child, or why it does not run. */
async function spawnChild({ command, env, cwd }: ContainerOptions): Promise<ChildProcess | string> {
  const [file = '', ...args] = command;
  try {
    const child = spawn(file, args, { env: { ...env }, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return child;
  } catch (error) {
    // The error's text would repeat the arguments, and arguments may hold secrets.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    return `exec: "${file}": ${code}`;
  }
}

async function readLines(
  stream: Readable | null,
  name: 'stdout' | 'stderr',
  keep: (stream: 'stdout' | 'stderr', text: string) => void,
): Promise<void> {
  if (stream === null) return;
  for await (const line of createInterface({ input: stream })) keep(name, line);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: nobody of the group is left.
  }
}
