/** How tests look at a call that a client refuses. */
import { DispatcherError } from '../../lib/domain/errors.ts';

/** What a call was refused with, as far as callers look at it. */
export async function refusedWith(call: Promise<unknown>): Promise<unknown> {
  const error = await call.then(
    (value) => ({ answered: value }),
    (reason: unknown) => reason,
  );
  if (!(error instanceof DispatcherError)) return error;
  const { code, message, status, retryAfterSeconds } = error;
  return {
    code,
    message,
    ...(status === undefined ? {} : { status }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}
