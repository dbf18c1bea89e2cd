// What to do about an error of a verb that reads both worlds: its message names only what failed.
import type { DispatcherError } from '../lib/domain/errors.ts';

/** The advice, on a line of its own; empty where there is none. @param settingsOf the function whose settings the verb takes. */
export function hint({ code }: DispatcherError, settingsOf: string): string {
  switch (code) {
    case 'configInvalid':
      return `\nThey are those of the ${settingsOf} function; for the AWS_ ones: eval "$(aws configure export-credentials --format env)".`;
    case 'clusterUnauthorized':
      return '\nThe cluster does not know this AWS identity: it needs an access entry there, or EksRoleArn.';
    case 'clusterRefused':
      return '\nThis AWS identity needs the rights of deploy/kubernetes/observe in the namespace: get and list on jobs.';
    case 'clusterUnknown':
    case 'clusterUnavailable':
      return '\nCheck EksClusterName, EksRegion and the way to the cluster: its endpoint may be private.';
    case 'terrakubeUnavailable':
      return '\nCheck TerrakubeApiUrl and the way to Terrakube.';
    case 'terrakubeRefused':
      return '\nCheck TerrakubeApiUrl and the InternalSecret.';
    default:
      return '';
  }
}
