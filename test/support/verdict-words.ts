// The words that the tests of verdicts are written in.
import type { Cause } from '../../lib/domain/causes.ts';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { adviceFor } from '../../lib/domain/failure-reasons.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import type { RecordedVerdict } from '../../lib/domain/recorded-verdict.ts';
import type { TerrakubeJob, TerrakubeStep } from '../../lib/domain/terrakube-job.ts';
import { type Action, type Verdict, verdict } from '../../lib/domain/verdict.ts';
import { ids, reason, recordedVerdict, step, terrakubeJob } from './builders.ts';
import { type InputChanges, verdictInput } from './verdict-builders.ts';

/** The verdict on a look. */
export const decide = (changes: InputChanges): Verdict => verdict(verdictInput(changes));

/** Row and kind of a verdict whose texts are compared elsewhere. */
export const kindOf = (changes: InputChanges): string => {
  const { row, action } = decide(changes);
  return `${row} ${action.kind}`;
};

/** A verdict. */
export const gives = (row: number, action: Action): Verdict => ({ row, action });

/** What is told about something that never ran. */
export const SAFE = 'Nothing was run: safe to run again.';
/** What is told about a plan that may have run. */
export const PLAN = 'A plan changes nothing: safe to run again.';
/** What is told about everything else that may have run. */
export const CAUTION =
  'The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).';

/** What is told about a cause when nothing ran. */
export const adviceOn = (cause: Cause): string => adviceFor(cause, 'no', 'terraformPlan');

/** The ids of an apply. */
export const apply: DispatchIds = ids({ type: 'terraformApply' });
/** The ids of an approval. */
export const approval: DispatchIds = ids({ type: 'approval' });

/** Our step, failed by us. */
export const told: TerrakubeStep = step({ status: 'failed', output: failureTexts(reason(), step()).stepOutput });

/** A job with this status; with our pending step unless others are given. */
export const job = (status: string, ...steps: readonly TerrakubeStep[]): TerrakubeJob =>
  terrakubeJob({ status, steps: steps.length > 0 ? steps : [step()] });

/** A verdict that the Job carries. */
export const intent = (action: string, changes: Partial<RecordedVerdict> = {}): RecordedVerdict =>
  recordedVerdict({ action, cause: 'unschedulable', ...changes });

/** A stop with the verdict that it records. */
export const stops = (
  action: string,
  cause: string,
  more: { readonly deletePod?: boolean; readonly logLine?: string } = {},
): ((title: string, evidence: string, advice?: string) => Action) => {
  const { deletePod = false, ...line } = more;
  return (title, evidence, advice = SAFE) => ({
    kind: 'stop',
    verdict: { action, cause, title, evidence, advice },
    deletePod,
    ...line,
  });
};

/** Finishes a half-told job. */
export const TELL_JOB: Action = { kind: 'tell', scope: 'job', reason: undefined };
