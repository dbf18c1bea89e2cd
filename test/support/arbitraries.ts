// Arbitrary values for property tests.
import type { V1Job } from '@kubernetes/client-node';
import fc from 'fast-check';
import { type DispatchIds, dispatchIds } from '../../lib/domain/dispatch-request.ts';
import type { Reason } from '../../lib/domain/failure-text.ts';
import { verdictText } from '../../lib/domain/recorded-verdict.ts';
import type { TerrakubeJob } from '../../lib/domain/terrakube-job.ts';
import { ids, kubernetesJob, recordedVerdict, step } from './builders.ts';

/** Texts of any UTF-16 units: lone surrogates, control characters, everything. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300 }).map((units) => String.fromCharCode(...units)),
  fc.string({ unit: 'grapheme', maxLength: 2000 }),
  fc.constantFrom('', '\ud800', '🙂'.repeat(600), 'ä'.repeat(5000), '\n', '%', '\u0000', 'x'.repeat(100_000)),
);

/** Texts that can be an id: what a label value may hold. */
export const idText: fc.Arbitrary<string> = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);

/** Any five ids that a payload may hold. */
export const anyIds: fc.Arbitrary<DispatchIds> = fc
  .record({
    organizationId: idText,
    workspaceId: idText,
    jobId: fc.stringMatching(/^[0-9]{1,19}$/),
    stepId: idText,
    type: idText,
  })
  .map(dispatchIds);

/** Any installation. */
export const anyInstallation: fc.Arbitrary<string> = fc.stringMatching(/^[a-z0-9]{1,16}$/);

/** Any reason. */
export const anyReason: fc.Arbitrary<Reason> = fc.record({ title: anyText, evidence: anyText, advice: anyText });

const statuses = ['pending', 'approved', 'queue', 'running', 'completed', 'failed', 'cancelled', 'rejected', 'new', ''];
const words = fc.constantFrom(...statuses);
const outputs = fc.oneof(
  fc.constant(null),
  fc.constant('data://text/plain;charset=utf-8,terrakube-dispatcher%3A%20x'),
  anyText,
);
/** Ids of which the tested step's is one of a few. */
const stepIds = fc.constantFrom(...['', 'other', ids().stepId].map((id) => ids({ stepId: id }).stepId));

/** Any Terrakube job. */
export const anyTerrakubeJob: fc.Arbitrary<TerrakubeJob> = fc.record({
  status: words,
  comments: fc.oneof(fc.constant(null), anyText),
  steps: fc.array(
    fc
      .record({ id: stepIds, stepNumber: fc.integer(), status: words, name: anyText, output: outputs })
      .map((changes) => step(changes)),
    { maxLength: 5 },
  ),
});

const verdicts = fc.oneof(
  fc.constantFrom('restart', 'fail', 'cancel', 'quiet', '').map((action) => verdictText(recordedVerdict({ action }))),
  fc.json(),
  anyText,
);

/** Any Job of our making, of the tested step and installation. */
export const anyJobOfTheStep: fc.Arbitrary<V1Job> = fc
  .record(
    {
      start: fc.integer({ min: 1, max: 12 }),
      ended: fc.constantFrom('Complete' as const, 'Failed' as const),
      verdict: verdicts,
      isBeingDeleted: fc.boolean(),
    },
    { requiredKeys: ['start'] },
  )
  .map((look) => kubernetesJob(look));

/** Any Job that is not of the tested step and installation, or not of our making. */
export const anyForeignJob: fc.Arbitrary<V1Job> = fc.oneof(
  fc.constant<V1Job>({}),
  anyInstallation.map((installation) => kubernetesJob({ installation: `x${installation}`.slice(0, 16) })),
  fc.stringMatching(/^[0-9a-f]{4}$/).map((end) => kubernetesJob({ of: ids({ stepId: `another-${end}` }) })),
  anyText.map((name) => ({ ...kubernetesJob(), metadata: { ...kubernetesJob().metadata, name: `x${name}` } })),
  fc
    .dictionary(anyText, anyText)
    .map((labels) => ({ ...kubernetesJob(), metadata: { ...kubernetesJob().metadata, labels } })),
);
