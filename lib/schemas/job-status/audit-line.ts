// Lines of the API server's audit log. The kubelet's word about a pod is there with the request alone (no labels, no
// owner); the job controller's words about a Job and its ended pods come with the whole object.
import * as v from 'valibot';
import type { Ignored, JobMention } from '../../domain/doorbell.ts';
import { parseJsonText } from '../json.ts';
import { parseJobDocument, traceDocument } from './job-document.ts';
import { isPodEnd, readPod, withTrace } from './kubernetes-object.ts';

const lineSchema = v.object({
  kind: v.literal('Event'),
  apiVersion: v.pipe(v.string(), v.startsWith('audit.k8s.io/')),
  stage: v.string(),
  verb: v.string(),
  requestURI: v.optional(v.string(), ''),
  user: v.optional(v.object({ username: v.optional(v.string(), '') }), {}),
  objectRef: v.optional(
    v.object({
      resource: v.optional(v.string()),
      subresource: v.optional(v.string(), ''),
      namespace: v.optional(v.string()),
      name: v.optional(v.string()),
    }),
    {},
  ),
  responseStatus: v.optional(
    v.object({ code: v.optional(v.number(), 0), details: v.nullish(v.object({ name: v.optional(v.string()) })) }),
    {},
  ),
  requestObject: v.optional(v.unknown()),
  responseObject: v.optional(v.unknown()),
});

type Line = v.InferOutput<typeof lineSchema>;

const ignored = (reason: Ignored['reason']): Ignored => ({ reason });

/**
 * Reads one line. CloudWatch Logs takes no line over 256 KB, so a long one may end anywhere: then it is not JSON.
 *
 * @see https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
 */
export function readAuditLine(text: string): JobMention | Ignored {
  const parsed = v.safeParse(lineSchema, parseJsonText(text));
  if (!parsed.success) return ignored('unreadable');
  const line = parsed.output;
  if (line.stage !== 'ResponseComplete') return ignored('notStatus');
  // The object in the answer to a trial run is not what the cluster holds.
  if (/[?&]dryRun=/.test(line.requestURI)) return ignored('dryRun');
  if (line.objectRef.resource === 'jobs') return readJobLine(line);
  return line.objectRef.resource === 'pods' ? readPodLine(line) : ignored('notStatus');
}

const isRefused = ({ responseStatus: { code } }: Line): boolean => code < 200 || code >= 300;
const isByController = ({ user }: Line): boolean => user.username.startsWith('system:serviceaccount:kube-system:');
const isChange = ({ verb }: Line): boolean => verb === 'update' || verb === 'patch';

const labelledSchema = v.object({ metadata: v.object({ labels: v.record(v.string(), v.unknown()) }) });

function readJobLine(line: Line): JobMention | Ignored {
  const { verb, objectRef, responseObject } = line;
  const isStatus = isChange(line) && objectRef.subresource === 'status';
  const isDelete = verb === 'delete' && objectRef.subresource === '';
  // The garbage collector takes a finalizer off a Job that is being deleted: only then is it gone. Changes by others, our
  // own verdicts among them, show in the status that the job controller writes after them.
  const isByCollector = isChange(line) && objectRef.subresource === '' && isByController(line);
  if (!(isStatus || isDelete || isByCollector)) return ignored('notStatus');
  if (isRefused(line)) return ignored('refused');
  if (objectRef.name === undefined) return ignored('unreadable');
  const labelled = v.safeParse(labelledSchema, responseObject);
  const { namespace, name: jobName } = objectRef;
  const labels = labelled.success ? labelled.output.metadata.labels : undefined;
  // The garbage collector is shown a Job's metadata only.
  const trace = namespace === undefined ? undefined : traceDocument({ namespace, jobName, labels });
  return { namespace, jobName, labels, document: parseJobDocument(responseObject) ?? trace };
}

function readPodLine(line: Line): JobMention | Ignored {
  const { verb, objectRef, responseStatus, requestObject, responseObject } = line;
  const { namespace, name: podName, subresource } = objectRef;
  if (verb === 'create' && subresource === '') {
    // Refused by quota, limits or PodSecurity. The pod has no name of its own, but the refusal names the one it would have got.
    return isRefused(line)
      ? readPod(requestObject, { namespace, podName: podName ?? responseStatus.details?.name })
      : ignored('notStatus');
  }
  if (verb === 'delete' && subresource === '') return readPodEnd(line);
  const isStatus = isChange(line) && subresource === 'status';
  const isEnd = isChange(line) && subresource === '' && isByController(line);
  if (!(isStatus || isEnd)) return ignored('notStatus');
  return isRefused(line) ? ignored('refused') : readPod(responseObject ?? requestObject, { namespace, podName });
}

/** The kubelet's last word: the pod is gone. */
function readPodEnd(line: Line): JobMention | Ignored {
  const { namespace, name: podName } = line.objectRef;
  if (isRefused(line)) return ignored('refused');
  if (!isPodEnd(line.responseObject)) return ignored('notStatus');
  return withTrace(readPod(line.responseObject, { namespace, podName }));
}
