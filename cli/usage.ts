// Bad usage of the command: the wrong options, or a file that is none.

/** What is wrong and how it is right; the command then ends with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
