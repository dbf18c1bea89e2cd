// What came of an action.

/** What was done: something, nothing, or not yet because the Job changed since it was read. */
export type Deed = 'done' | 'none' | 'conflict';
