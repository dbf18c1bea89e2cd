// What is wrong with a Job: the cause, what happened and what was seen. The same for a Job that waits and one that failed.
import type { Cause } from './causes.ts';
import { cut, TITLE_LIMIT } from './failure-text.ts';
import type { DurationMs } from './time.ts';

/** Whether the executor's container ever ran. `unknown` is treated like `yes`: only a proof is a `no`. */
export type EverStarted = 'yes' | 'no' | 'unknown';

/** What is wrong, as it was seen. */
export interface Finding {
  readonly cause: Cause;
  /** What happened, in at most 90 characters. */
  readonly title: string;
  /** Object, condition, exit code, limit: what a person would look at. */
  readonly evidence: string;
  /** Whether a step that provably never ran may be started again for this cause. */
  readonly restartable: boolean;
}

/** What keeps a Job from starting. */
export interface Blocker extends Finding {
  /** How long it may last, from the outcome's `since`; `payloadAge`: as long as the payload is fresh. */
  readonly grace: DurationMs | 'payloadAge';
}

/** Causes that pass by themselves, or by another node. Those of an image or a lost node depend on what was seen. */
const PASSING: readonly Cause[] = ['disrupted', 'nodeRejected', 'payloadMissing', 'quota', 'unschedulable'];

/** Longest evidence, in characters: there is no more room for it beside title and advice. */
const EVIDENCE_LIMIT = 500;

/** Makes a finding; what is too long is cut. */
export const finding = (
  cause: Cause,
  { title, evidence, restartable = PASSING.includes(cause) }: Omit<Finding, 'cause' | 'restartable'> & Partial<Finding>,
): Finding => ({ cause, title: cut(title, TITLE_LIMIT), evidence: cut(evidence, EVIDENCE_LIMIT), restartable });
