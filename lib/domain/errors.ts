// The one error class of the project and the table of its codes. Expected forks (a Job that exists already, a Terrakube
// job that is gone) are union members of answers, not errors.

import type { Seconds } from './time.ts';

/**
 * What can go wrong, and whether the same request may succeed later. Callers branch on the code, never on the text.
 */
const codes = {
  /** The settings of a function are wrong; it cannot start. */
  configInvalid: { retryable: false },
  /** A message or event that no version of Terrakube or of this project writes. */
  messageUnreadable: { retryable: false },
  /** The secret that signs dispatches is there but no key can be made of it. */
  secretInvalid: { retryable: true },
  /** Secrets Manager cannot be reached, throttles, or does not have the secret. */
  secretUnavailable: { retryable: true },
  /** SQS or its key cannot be reached, throttle, or refuse our role. */
  queueUnavailable: { retryable: true },
  /** No answer from the Kubernetes API, or one that says "later". */
  clusterUnavailable: { retryable: true },
  /** The cluster cannot be described, or its role cannot be assumed: the Kubernetes API was not even asked. */
  clusterUnknown: { retryable: true },
  /** The Kubernetes API does not know our token, even a fresh one. */
  clusterUnauthorized: { retryable: true },
  /** A Job that others change faster than we can look at it. */
  jobChanging: { retryable: true },
  /** The Kubernetes API refused a read. */
  clusterRefused: { retryable: true },
  /** No answer from Terrakube, or a 5xx. */
  terrakubeUnavailable: { retryable: true },
  /** Terrakube answered something that we do not expect. */
  terrakubeRefused: { retryable: true },
} as const;

/** One of the codes in the table above. */
export type ErrorCode = keyof typeof codes;

/** Small facts about an error that may be logged: never payload, token, header or environment. */
export interface ErrorDetails {
  /** HTTP status of the answer, where there was one. */
  readonly status?: number;
  /** How long the other side asked us to wait, in seconds. */
  readonly retryAfterSeconds?: Seconds;
  /** The underlying error. It is kept for its stack and never logged. */
  readonly cause?: unknown;
}

/** The only error that leaves a client or a flow. Its message names what failed, on which object, and never a payload. */
export class DispatcherError extends Error {
  override readonly name = 'DispatcherError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly status: number | undefined;
  readonly retryAfterSeconds: Seconds | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = codes[code].retryable;
    this.status = details.status;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}
