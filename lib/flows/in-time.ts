// Ports that write nothing any more once a run is over. A run that was cut short leaves looks under way; Lambda freezes them,
// and they go on a minute later, in the next invocation, with what they had read before.
import { DispatcherError } from '../domain/errors.ts';
import type { EpochMs } from '../domain/time.ts';
import type { Clock, ReconciledCluster, Terrakube } from '../ports.ts';

/** The ports through which a run acts. */
interface Ports {
  readonly cluster: ReconciledCluster;
  readonly terrakube: Terrakube;
  readonly clock: Clock;
}

/** The same ports; from this moment on each of their writes throws a DispatcherError. */
export function writingUntil({ cluster, terrakube, clock }: Ports, latest: EpochMs): Omit<Ports, 'clock'> {
  const inTime =
    <Args extends readonly unknown[], Answer>(write: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      if (clock.now() >= latest) throw new DispatcherError('clusterUnavailable', 'The run is over.');
      return write(...args);
    };
  return {
    cluster: {
      ...cluster,
      stopJob: inTime(cluster.stopJob),
      annotateJob: inTime(cluster.annotateJob),
      deleteJob: inTime(cluster.deleteJob),
      deletePod: inTime(cluster.deletePod),
      deletePayload: inTime(cluster.deletePayload),
    },
    terrakube: {
      ...terrakube,
      patchJob: inTime(terrakube.patchJob),
      patchStep: inTime(terrakube.patchStep),
      appendLog: inTime(terrakube.appendLog),
    },
  };
}
