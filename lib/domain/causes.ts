// Why a Job waits or has failed: the words that our code branches on. What a person reads is in failure-reasons.ts.

/** Every cause, in the order in which a reader would look for it. */
export const CAUSES = [
  'outOfMemory',
  'evicted',
  'disrupted',
  'nodeLost',
  'nodeRejected',
  'deadline',
  'exit',
  'startError',
  'initFailed',
  'podDeleted',
  'imagePull',
  'configMissing',
  'payloadMissing',
  'serviceAccountMissing',
  'podRefused',
  'quota',
  'unschedulable',
  'envTooLarge',
  'silent',
  'unknown',
] as const;

/** One of the causes. */
export type Cause = (typeof CAUSES)[number];
