// The audit logs of test/fixtures/kubernetes/audit, as CloudWatch Logs hands them on. The files `audit-*` are the lives of
// four Jobs that were not ours on a cluster with a real kubelet (Kubernetes 1.36); `ours-*` are Jobs of ours on the control
// plane of the cluster tests (1.37), without managedFields.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { Own } from '../../lib/domain/doorbell.ts';

/** Whose Jobs the recordings are of. */
export const OWN: Own = { namespace: 'terrakube', installation: '8f03dc2e' };

/** A recorded life of a Job. */
export interface AuditLife {
  readonly jobName: string;
  /** One JSON text for each line of the log. */
  readonly lines: readonly string[];
}

/** The name that each foreign Job gets in place of its own, so that it might be ours. */
const RENAMED: Readonly<Record<string, readonly [from: string, to: string]>> = {
  'audit-job-exit-1': ['a-exit1', 'job-31-0123456789'],
  'audit-job-missing-secret': ['a-nosec', 'job-32-0123456789'],
  'audit-job-success': ['a-ok', 'job-33-0123456789'],
  'audit-job-unschedulable': ['a-unsch', 'job-34-0123456789'],
};

/** Reads a recording. Foreign Jobs get a name and the label of ours. */
export function auditLife(file: string): AuditLife {
  const [from, to] = RENAMED[file] ?? ['', ''];
  const text = readFileSync(new URL(`../fixtures/kubernetes/audit/${file}.json`, import.meta.url), 'utf8');
  const events: readonly unknown[] = JSON.parse(
    from === ''
      ? text
      : text
          .replaceAll(new RegExp(`\\b${from}\\b`, 'g'), to)
          .replaceAll(
            /("terrakube\.io\/workspace": ?"ws-1")/g,
            `$1, "terrakube.io/installation": "${OWN.installation}"`,
          ),
  );
  const lines = events.map((event) => JSON.stringify(event));
  const jobName = to || (/"name":"(job-[0-9]+-[0-9a-f]{10})"/.exec(lines.join())?.[1] ?? '');
  return { jobName, lines };
}

/** The text of a batch of CloudWatch Logs with these lines. */
export const batchText = (lines: readonly string[], changes: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    messageType: 'DATA_MESSAGE',
    owner: '123456789012',
    logGroup: '/aws/eks/apps/cluster',
    logStream: 'kube-apiserver-audit-8c1f0e6a2b7d4935a1e0c3d2b4f59687',
    subscriptionFilters: ['audit'],
    logEvents: lines.map((message, index) => ({ id: String(index), timestamp: 1_795_463_376_000 + index, message })),
    ...changes,
  });

/** A batch as {@link readJobStatusEvent} takes it. */
export const logsEvent = (lines: readonly string[]): object => ({ awslogs: { text: batchText(lines) } });

/** A batch as Lambda gets it. */
export const packedEvent = (lines: readonly string[]): { readonly awslogs: { readonly data: string } } => ({
  awslogs: { data: gzipSync(batchText(lines)).toString('base64') },
});
