// The names of metrics, in one place: alarms, dashboard and runbooks are compared with them.

/** The invariants that the reconciler counts, by the name of their metric without `Invariant`. */
export const INVARIANTS = [
  'LostCallback',
  'SilentExecutor',
  'FailedJobNotTold',
  'HalfToldJob',
  'NeverCreatedStep',
  'StepLeftPending',
  'CancelledButAlive',
  'OrphanJob',
  'SweptButAboutToStart',
  'Superseded',
  'Revived',
  'DeadLetterNotAnswered',
] as const;

/** What must never be, and is counted when it is. */
export type Invariant = (typeof INVARIANTS)[number];

/** The other metrics. Durations end in `Ms`, everything else is a count. */
export const METRICS = [
  'Accepted',
  'Refused',
  'QueueUnavailable',
  'Dispatched',
  'AlreadyDispatched',
  'Skipped',
  'Waiting',
  'ToldFailed',
  'Stopped',
  'Restarted',
  'Annotated',
  'AcceptedToCreatedMs',
  'ClusterToToldMs',
  'ReconcileMs',
  'ActiveJobs',
  'StopsHeldBack',
  'DeadLettersUnreadable',
] as const;

/** Metrics of this project. */
export type MetricName = (typeof METRICS)[number] | `Invariant${Invariant}`;

/** Values of one moment. */
export type MetricValues = Partial<Readonly<Record<MetricName, number>>>;
