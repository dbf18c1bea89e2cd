/** What a process has used until now, from Linux' /proc; what Lambda tells at the end of each invocation, and its price rests on. */
import { readdirSync, readFileSync } from 'node:fs';

/** Processor time and memory of one process. */
export interface Usage {
  /** Of all its threads, in milliseconds. */
  readonly cpuMs: number;
  /** The most memory that it held at once, in MiB. */
  readonly peakMb: number;
}

/** What one invocation took, or the start of a sandbox. */
export interface UsageReport extends Usage {
  readonly functionName: string;
  readonly kind: 'init' | 'invocation';
  /** From the event to the request for the next one, in milliseconds. */
  readonly durationMs: number;
}

const NS_PER_MS = 1e6;
const KB_PER_MB = 1024;

/** Reads it. @returns undefined when the process has ended, or where there is no /proc. */
export function readUsage(pid: number | undefined): Usage | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const cpuNs = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0]));
    const [, peakKb = '0'] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    const cpuMs = cpuNs.reduce((sum, one) => sum + one, 0) / NS_PER_MS;
    return { cpuMs, peakMb: Number(peakKb) / KB_PER_MB };
  } catch {
    return undefined;
  }
}
