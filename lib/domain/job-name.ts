// Names and labels. A name is derived from the request alone, never from a clock: a second delivery of the same step
// meets the first one's Job as 409 AlreadyExists instead of starting a second executor.
import { hash } from 'node:crypto';
import { areDispatchIds, type DispatchIds, dispatchIds } from './dispatch-request.ts';

/** Eight hex digits, or the `Installation` setting: tells the objects of several installations in one namespace apart. */
export type Installation = string;

/** Label keys on Jobs, Pods and Secrets. They are also what every selector is made of. */
export const LABEL = {
  managedBy: 'app.kubernetes.io/managed-by',
  name: 'app.kubernetes.io/name',
  installation: 'terrakube.io/installation',
  organization: 'terrakube.io/organization',
  workspace: 'terrakube.io/workspace',
  job: 'terrakube.io/job',
  step: 'terrakube.io/step',
  type: 'terrakube.io/type',
  version: 'terrakube.io/dispatcher-version',
} as const;

/** Value of {@link LABEL.managedBy}. */
export const MANAGED_BY = 'terrakube-dispatcher';

/** Version of this project, in {@link LABEL.version} of everything it creates. A test compares it with package.json. */
export const DISPATCHER_VERSION = '0.1.0';

const sha256 = (text: string): string => hash('sha256', text);

/** The installation of a Terrakube API: the first 8 hex digits of SHA-256 of its URL without trailing slashes. */
export const installationOf = (terrakubeApiUrl: string): Installation =>
  sha256(terrakubeApiUrl.replace(/\/+$/, '')).slice(0, 8);

/**
 * Name of the Job, and of its payload Secret, for one start of a step: `job-<jobId>-<10 hex digits>`, and `-2`, `-3` for
 * later starts. A DNS label of at most 63 characters.
 *
 * @param start 1 for the first start; later starts carry their number.
 */
export function jobName(ids: DispatchIds, installation: Installation, start: number): string {
  const { organizationId, jobId, stepId, type } = ids;
  const step = [installation, organizationId, jobId, stepId, type].join('/');
  // Whoever looks at a Job asks for its name several times in a row.
  if (lastNamed.step !== step) lastNamed = { step, digest: sha256(step).slice(0, 10) };
  const suffix = start > 1 ? `-${start}` : '';
  return `job-${jobId}-${lastNamed.digest}${suffix}`;
}

let lastNamed = { step: '', digest: '' };

/** The start number in a Job's name: 1, 2, 3 …, or undefined when the name is not one of this step. */
export function startOf(name: string, ids: DispatchIds, installation: Installation): number | undefined {
  const first = jobName(ids, installation, 1);
  if (name === first) return 1;
  if (!name.startsWith(`${first}-`)) return undefined;
  const suffix = name.slice(first.length + 1);
  return /^([2-9]|[1-9][0-9]{1,3})$/.test(suffix) ? Number(suffix) : undefined;
}

const NAME = 'job-[0-9]{1,19}-[0-9a-f]{10}(?:-(?:[2-9]|[1-9][0-9]{1,3}))?';
const JOB_NAME = new RegExp(`^${NAME}$`);
/** The job controller names a pod after its Job, with five letters and digits that Kubernetes takes by chance. */
const POD_NAME = new RegExp(`^(${NAME})-[a-z0-9]{5}$`);

/** Whether a Job of any installation of ours may have this name. */
export const isJobName = (name: string): boolean => JOB_NAME.test(name);

/** The name of the Job that a pod belongs to by its own name, or undefined when it cannot be a pod of ours. */
export const jobNameOfPod = (podName: string): string | undefined => POD_NAME.exec(podName)?.[1];

/** The labels of everything that belongs to one step. */
export function stepLabels(ids: DispatchIds, installation: Installation): Readonly<Record<string, string>> {
  return {
    [LABEL.managedBy]: MANAGED_BY,
    [LABEL.name]: 'terrakube-executor',
    [LABEL.installation]: installation,
    [LABEL.organization]: ids.organizationId,
    [LABEL.workspace]: ids.workspaceId,
    [LABEL.job]: ids.jobId,
    [LABEL.step]: ids.stepId,
    [LABEL.type]: ids.type,
    [LABEL.version]: DISPATCHER_VERSION,
  };
}

/** The label selector that finds all Jobs of one step in this installation, whatever their start or state. */
export function stepSelector(ids: DispatchIds, installation: Installation): string {
  const terms: readonly (readonly [string, string])[] = [
    [LABEL.managedBy, MANAGED_BY],
    [LABEL.installation, installation],
    [LABEL.job, ids.jobId],
    [LABEL.step, ids.stepId],
    [LABEL.type, ids.type],
  ];
  return terms.map(([key, value]) => `${key}=${value}`).join(',');
}

/** The ids of the step that labels name; undefined for labels that are not ours, or that somebody has changed. */
export function idsOfLabels(labels: Readonly<Record<string, unknown>> | undefined): DispatchIds | undefined {
  const label = (key: string): string => {
    const value = labels?.[key];
    return typeof value === 'string' ? value : '';
  };
  const ids = {
    organizationId: label(LABEL.organization),
    workspaceId: label(LABEL.workspace),
    jobId: label(LABEL.job),
    stepId: label(LABEL.step),
    type: label(LABEL.type),
  };
  return areDispatchIds(ids) ? dispatchIds(ids) : undefined;
}
