// The sentences for what dispatch itself refuses. What Kubernetes refuses is worded in create-answer.ts.
import type { DispatchRequest, OversizedRequest } from './dispatch-request.ts';
import type { Reason } from './failure-text.ts';

/** Why a payload is too large for its way to the executor, or undefined when it is not. */
export function oversizedReason(request: DispatchRequest | OversizedRequest, limitBytes: number): Reason | undefined {
  const { bytes, limit } =
    'payload' in request
      ? { bytes: request.payload.byteLength, limit: limitBytes }
      : { bytes: request.bodyBytes, limit: request.limitBytes };
  if ('payload' in request && bytes <= limit) return undefined;
  return {
    title: `the job's data is too large (${count(bytes)} bytes, limit ${count(limit)})`,
    evidence: `Terrakube sent ${count(bytes)} bytes of variables, keys and scripts; an executor can be given ${count(limit)}.`,
    advice:
      'Make the variables of the workspace and its organization smaller, or move large values to files or a bucket.',
  };
}

/** Why a Job of ours cannot be made: its name belongs to an object that somebody else made. */
export const nameTakenReason = (name: string, namespace: string): Reason => ({
  title: `a foreign Job has the name ${name}`,
  evidence: `Job ${name} in namespace ${namespace} does not carry the dispatcher's labels.`,
  advice: 'Find out who made it, delete it, and run the job again.',
});

/** Why a step whose message the queue gave up is failed. @param waitedFor the last waiting line of the run, without its opening. */
export const deadLetterReason = (waitedFor: string | undefined): Reason => ({
  title: 'its dispatch failed each time',
  evidence: `The message of the step was delivered until the queue gave it up: ${waitedFor ?? 'the log of dispatch has the reason'}. Nothing was run.`,
  advice: `${waitedFor === undefined ? 'Ask the administrators to look for the job in that log' : 'Mend what the message names'}, then run the job again.`,
});

/** 1048576 as 1,048,576. */
const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
