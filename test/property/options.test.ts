import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeOptions, NO_OPTIONS, OPTION_VARIABLES, parseOptions } from '../../lib/domain/ephemeral-options.ts';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { stepLabels } from '../../lib/domain/job-name.ts';
import { isKey, isLabelValue, isMountPath, isObjectName } from '../../lib/domain/kubernetes-syntax.ts';
import { stepSettings } from '../../lib/domain/step-settings.ts';
import { readRequestedOptions } from '../../lib/schemas/payload-options.ts';
import { executorSettings, guardRails, INSTALLATION, ids, NOON, payload, request, step } from '../support/builders.ts';
import { OPTIONS_TABLE } from '../support/options-table.ts';

/** Texts that are nearly options: values of the table, pieces of their syntax, and anything. */
const values = fc.oneof(
  fc.constantFrom(
    ...OPTIONS_TABLE.flatMap(({ good, bad }) => [...good, ...bad].map(({ value }) => value.slice(0, 300))),
  ),
  fc
    .array(fc.constantFrom(...'aA1=;:,./- _+Gimn', 'Exists', 'NoSchedule', 'runAsUser', 'true', '1Gi', '__proto__'), {
      maxLength: 12,
    })
    .map((parts) => parts.join('')),
  fc.string(),
);
const variables = fc.dictionary(fc.constantFrom(...OPTION_VARIABLES), values);
const anyPattern = [/.*/];
const generous = guardRails({
  patterns: {
    serviceAccounts: anyPattern,
    configMaps: anyPattern,
    persistentVolumeClaims: anyPattern,
    podAnnotations: anyPattern,
  },
  allowPrivilegeEscalation: true,
  allowRunAsRoot: true,
});
const askedBy = (environmentVariables: unknown) => readRequestedOptions(payload(ids(), { environmentVariables }));

describe('whatever the variables hold', () => {
  test('options are read without an error, and what is wrong is said as a sentence', () => {
    fc.assert(
      fc.property(variables, (given) => {
        for (const { variable, problem, fix } of parseOptions(given, NO_OPTIONS).problems) {
          expect(Object.keys(given)).toContain(variable);
          expect(problem).toMatch(/^(is|has|gives|counts|overlaps) [^:]*$/);
          expect(fix).toMatch(/^[A-Z].*\.$/);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('a Job is made of valid names only, or none is made and every text fits into Terrakube', () => {
    fc.assert(
      fc.property(variables, (given) => {
        const decided = stepSettings(askedBy(given), executorSettings({ guardRails: generous }));
        if ('reason' in decided) {
          const texts = failureTexts(decided.reason, step());
          expect(decided.reason.title.length).toBeLessThanOrEqual(90);
          expect(texts.stepName.length).toBeLessThanOrEqual(128);
          expect(texts.stepOutput.length).toBeLessThanOrEqual(1024);
          return;
        }
        const { settings } = decided;
        const job = buildJob({ request: request(), settings, installation: INSTALLATION, start: 1, now: NOON });
        const spec = job.spec?.template.spec;
        const container = spec?.containers[0];
        const labels = job.metadata?.labels ?? {};
        expect(labels).toMatchObject(stepLabels(ids(), INSTALLATION));
        const pairs = [...Object.entries(labels), ...Object.entries(spec?.nodeSelector ?? {})];
        expect(pairs.filter(([key, value]) => !isKey(key) || !isLabelValue(value))).toEqual([]);
        expect(spec?.tolerations?.filter(({ key }) => !isKey(key ?? '')) ?? []).toEqual([]);
        expect(isObjectName(spec?.serviceAccountName ?? 'default')).toBe(true);
        const mounts = container?.volumeMounts?.map(({ mountPath }) => mountPath) ?? [];
        expect(mounts.filter((path) => !isMountPath(path))).toEqual([]);
        expect(new Set(mounts).size).toBe(mounts.length);
        const names = container?.env?.map(({ name }) => name) ?? [];
        expect(new Set(names).size).toBe(names.length);
        expect(container?.env?.slice(0, 3).map(({ name }) => name)).toEqual([
          'EphemeralFlagBatch',
          'SPRING_CONFIG_IMPORT',
          'SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE',
        ]);
      }),
      { numRuns: 1000 },
    );
  });

  test('a workspace whose options are taken alone is given them over any defaults, and nothing of them is lost', () => {
    fc.assert(
      fc.property(variables, variables, (own, others) => {
        const { options } = parseOptions(own, NO_OPTIONS);
        const merged = mergeOptions(parseOptions(others, NO_OPTIONS).options, options);
        expect(merged.labels).toMatchObject(options.labels);
        expect(merged.podAnnotations).toMatchObject(options.podAnnotations);
        expect(merged.env.filter(({ name }) => options.env.some((mine) => mine.name === name))).toEqual(options.env);
        expect(merged.requests).toMatchObject(options.requests);
        expect(mergeOptions(merged, NO_OPTIONS)).toEqual(merged);
      }),
    );
  });

  test('no value of EPHEMERAL_JOB_ENV_VARS is told', () => {
    const secret = 'hunter2';
    const pair = fc.constantFrom(
      `A=${secret}`,
      `${secret} x`,
      `SPRING_X=${secret}`,
      `1=${secret}`,
      `=${secret}`,
      `B=c=${secret}`,
    );
    fc.assert(
      fc.property(fc.array(pair), (pairs) => {
        const decided = stepSettings(askedBy({ EPHEMERAL_JOB_ENV_VARS: pairs.join(';') }), executorSettings());
        if ('reason' in decided) expect(JSON.stringify(decided.reason)).not.toContain(secret);
      }),
    );
  });
});

test('any payload is read without an error', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json().map((text) => Buffer.from(text)),
        fc.uint8Array(),
      ),
      (bytes) => {
        expect(Object.keys(readRequestedOptions(bytes)).sort()).toEqual([
          'fields',
          'isOptedIn',
          'notTexts',
          'variables',
        ]);
      },
    ),
  );
});
