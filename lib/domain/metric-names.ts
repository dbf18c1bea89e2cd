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

/** Metrics of this project. Durations end in `Ms`, everything else is a count. */
export type MetricName =
  | `Invariant${Invariant}`
  | 'ReconcileMs'
  | 'ActiveJobs'
  | 'Stopped'
  | 'StopsHeldBack'
  | 'ToldFailed'
  | 'Restarted'
  | 'Annotated'
  | 'DeadLettersUnreadable';
