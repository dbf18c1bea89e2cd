// Lets the API server of the current kube context fill in defaults and check what would be created, without creating it.
import { ApiException, BatchV1Api, CoreV1Api, KubeConfig, type V1Job, type V1Secret } from '@kubernetes/client-node';
import type { ManifestConfig } from '../lib/config.ts';
import { type CreatedKind, createVerdict } from '../lib/domain/create-answer.ts';
import type { Reason } from '../lib/domain/failure-text.ts';
import { parseApiRefusal } from '../lib/schemas/kubernetes-status.ts';
import { UsageError } from './usage.ts';

/** The objects as the API server would store them, or why it would not. @throws UsageError when it cannot be asked. */
export async function dryRun(
  objects: readonly (V1Job | V1Secret)[],
  { executor: { namespace } }: ManifestConfig,
): Promise<{ readonly objects: readonly (V1Job | V1Secret)[] } | { readonly refusal: Reason }> {
  const config = new KubeConfig();
  config.loadFromDefault();
  const batch = config.makeApiClient(BatchV1Api);
  const core = config.makeApiClient(CoreV1Api);
  const checked: (V1Job | V1Secret)[] = [];
  for (const object of objects) {
    const kind: CreatedKind = object.kind === 'Job' ? 'Job' : 'Secret';
    try {
      checked.push(
        'spec' in object
          ? await batch.createNamespacedJob({ namespace, body: object, dryRun: 'All' })
          : await core.createNamespacedSecret({ namespace, body: ownedBy(object, checked[0]), dryRun: 'All' }),
      );
    } catch (error) {
      return { refusal: refusalOf(error, kind, namespace) };
    }
  }
  return { objects: checked };
}

/** The Secret belongs to the Job that the dry run made up. */
function ownedBy(secret: V1Secret, job: V1Job | V1Secret | undefined): V1Secret {
  const uid = job?.metadata?.uid ?? '';
  const ownerReferences = secret.metadata?.ownerReferences?.map((owner) => ({ ...owner, uid })) ?? [];
  return { ...secret, metadata: { ...secret.metadata, ownerReferences } };
}

function refusalOf(error: unknown, kind: CreatedKind, namespace: string): Reason {
  if (!(error instanceof ApiException)) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw new UsageError(`The API server of the current kube context does not answer${code}.`);
  }
  const body: unknown = error.body;
  const refusal = parseApiRefusal(error.code, typeof body === 'string' ? body : '', undefined);
  const verdict = createVerdict(kind, refusal, namespace);
  if (verdict.kind === 'terminal') return verdict.reason;
  return {
    title: `the API server does not take the ${kind} now`,
    evidence: verdict.kind === 'wait' ? verdict.text : `a ${kind} of this name exists`,
    advice: 'Dispatch would wait, and try again.',
  };
}
