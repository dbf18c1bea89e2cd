// What all calls of AWS have in common: their limits in time, and the name of what went wrong.

/**
 * Limits of one call. Terrakube waits for intake, and holds a global lock meanwhile; dispatch has a whole batch to settle.
 * Better an early error, after which the same request comes again.
 */
export const CALL_LIMITS = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 2000, requestTimeout: 4000, throwOnRequestTimeout: true },
} as const;

/** AWS' or node's name of a fault. It says enough, and the message may quote the request. */
export function faultName(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer';
  // Errors of the network are called just `Error`, or `AggregateError` where a name has several addresses.
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
