// Which ended Job still has its payload in the cluster. Its tokens should not stay readable until the Job's TTL.
import type { V1Job } from '@kubernetes/client-node';
import { ANNOTATION } from './job-manifest.ts';
import { hasEnded } from './next-start.ts';
import { needsSecret } from './payload-transport.ts';

/** The Secret that an ended Job has left; undefined when it has none, or it was deleted. */
export function payloadLeft(job: V1Job): { readonly name: string; readonly jobUid: string } | undefined {
  const { name, uid, annotations } = job.metadata ?? {};
  if (!hasEnded(job) || !needsSecret(job) || annotations?.[ANNOTATION.payloadDeletedAt] !== undefined) return undefined;
  return name !== undefined && uid !== undefined ? { name, jobUid: uid } : undefined;
}
