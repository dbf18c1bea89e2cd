// The verdict that a Job carries in an annotation from the moment it is stopped: whoever looks at the Job next carries
// it out, so a door may be killed between any two calls.
import type { V1Job } from '@kubernetes/client-node';
import type { Reason } from './failure-text.ts';
import { ANNOTATION } from './job-manifest.ts';

/** What a stopped Job is stopped for. */
export interface RecordedVerdict extends Reason {
  readonly action: string;
  /** The cause's code. */
  readonly cause: string;
  /** ISO 8601 time of the verdict. */
  readonly at: string;
}

/** The annotation's text. */
export const verdictText = (verdict: RecordedVerdict): string => JSON.stringify(verdict);

/** Reads a Job's verdict: undefined when there is none, `unreadable` when somebody else wrote something there. */
export function recordedVerdict(job: V1Job): RecordedVerdict | 'unreadable' | undefined {
  const text = job.metadata?.annotations?.[ANNOTATION.verdict];
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'unreadable';
  }
  const field = (name: string): string | undefined => {
    if (typeof value !== 'object' || value === null) return undefined;
    const found: unknown = Reflect.get(value, name);
    return typeof found === 'string' ? found : undefined;
  };
  const action = field('action');
  if (action === undefined) return 'unreadable';
  return {
    action,
    cause: field('cause') ?? 'unknown',
    title: field('title') ?? '',
    evidence: field('evidence') ?? '',
    advice: field('advice') ?? '',
    at: field('at') ?? '',
  };
}
