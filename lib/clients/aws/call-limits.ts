// What the clients of the SDK in this folder have in common.

/**
 * Limits of one call. Terrakube waits for intake, and holds a global lock meanwhile; dispatch has a whole batch to settle.
 * Better an early error, after which the same request comes again.
 */
export const CALL_LIMITS = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 2000, requestTimeout: 4000, throwOnRequestTimeout: true },
} as const;
