/** Programs that belong together, as child processes: started in order, ended by their ids, never left behind. */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** A command line. */
export interface Program {
  readonly file: string;
  readonly args: readonly string[];
}

/** What to start, and when it is up. */
export interface Plan {
  readonly first: readonly Program[];
  /** Whether the first programs are ready; a rejection counts as "not yet". */
  isReady(): Promise<boolean>;
  /** Started as soon as those are. */
  readonly second: readonly Program[];
  readonly limitMs: number;
}

/** Started programs. */
export interface RunningPrograms {
  /** Ends them, the last one first. */
  stop(): Promise<void>;
}

const lookAgainMs = 50;
/** After this long, SIGTERM becomes SIGKILL. */
const stopLimitMs = 10_000;
/** The end of a log that an error quotes. */
const quotedLines = 20;

/**
 * Starts the programs; they write to the log file.
 *
 * @throws Error with the end of the log when one of them ends early or the limit passes.
 */
export async function startPrograms(logFile: string, plan: Plan): Promise<RunningPrograms> {
  const children: ChildProcess[] = [];
  // A parent that ends without stop() takes them along.
  const killAll = (): void => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', killAll);
  const stop = async (): Promise<void> => {
    for (const child of children.splice(0).reverse()) await end(child);
    process.off('exit', killAll);
  };
  try {
    for (const program of plan.first) children.push(start(program, logFile));
    await untilReady(plan, children);
    for (const program of plan.second) children.push(start(program, logFile));
    return { stop };
  } catch (error) {
    await stop();
    const lines = (await readFile(logFile, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-quotedLines);
    throw new Error(`${error instanceof Error ? error.message : ''} The end of its log:\n${lines.join('\n')}`);
  }
}

/** Standard input stays open for as long as this process lives; the control plane's own binary ends with it. */
function start({ file, args }: Program, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(file, args, { stdio: ['pipe', log, log] });
  closeSync(log);
  child.on('error', () => undefined);
  child.stdin?.on('error', () => undefined);
  return child;
}

async function untilReady({ isReady, limitMs }: Plan, children: readonly ChildProcess[]): Promise<void> {
  const endMs = Date.now() + limitMs;
  while (!(await isReady().catch(() => false))) {
    const ended = children.find((child) => hasEnded(child));
    if (ended !== undefined) throw new Error(`${ended.spawnfile} ended before it was ready.`);
    if (Date.now() > endMs) throw new Error(`The programs were not ready in ${limitMs / 1000} s.`);
    await pause(lookAgainMs);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
  await gone;
  clearTimeout(killer);
}

/** A program that could not be started has no id. */
function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
