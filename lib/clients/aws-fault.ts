// How faults of AWS are named. The files in aws/ throw the SDK's own errors, and their callers translate them: a bundle
// may hold that folder in a second file, where a class such as DispatcherError would be another one than here.

/** AWS' or node's name of a fault. It says enough, and the message may quote the request. */
export function faultName(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer';
  // Errors of the network are called just `Error`, or `AggregateError` where a name has several addresses.
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
