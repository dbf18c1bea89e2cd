// A handler that does nothing: what Node itself costs.

/** Answers at once. */
export const handler = async (): Promise<object> => ({ batchItemFailures: [] });
