import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type CreateVerdict, createVerdict } from '../../lib/domain/create-answer.ts';
import { seconds } from '../../lib/domain/time.ts';
import { parseApiRefusal } from '../../lib/schemas/kubernetes-status.ts';
import { refusal } from '../support/builders.ts';
import { recorded } from '../support/recorded.ts';

/** What a recorded answer to the create of a Job comes to. */
function verdictOf(file: string, created: 'Job' | 'Secret' = 'Job'): CreateVerdict {
  const { status, headers, body } = recorded(file).response;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return createVerdict(created, parseApiRefusal(status, text, headers['Retry-After']), 'tk-api');
}

const SIGN_IN =
  'the cluster does not accept the sign-in of the dispatcher; check the EKS access entry of the dispatch role ' +
  '(group terrakube-dispatch)';

describe('an answer that may be another one later', () => {
  test.each<readonly [string, CreateVerdict]>([
    ['401-bad-token', { kind: 'wait', cause: 'unauthorized', text: SIGN_IN }],
    ['401-expired-token', { kind: 'wait', cause: 'unauthorized', text: SIGN_IN }],
    ['403-anonymous', { kind: 'wait', cause: 'unauthorized', text: SIGN_IN }],
    [
      '403-quota-exceeded',
      {
        kind: 'wait',
        cause: 'quota',
        text: 'quota terrakube-quota of namespace tk-api is used up (used count/jobs.batch=1, limit count/jobs.batch=1)',
        atMost: seconds(30),
      },
    ],
    [
      '429-too-many-requests',
      { kind: 'wait', cause: 'throttled', text: 'the Kubernetes API is throttling', atLeast: seconds(1) },
    ],
    [
      '500-webhook-500',
      {
        kind: 'wait',
        cause: 'unavailable',
        text: 'the Kubernetes API answers 500 because its webhook validate.policy.example.com fails',
      },
    ],
    [
      '500-webhook-unreachable',
      {
        kind: 'wait',
        cause: 'unavailable',
        text: 'the Kubernetes API answers 500 because its webhook validate.policy.example.com fails',
      },
    ],
  ])('%s', (file, verdict) => {
    expect(verdictOf(file)).toEqual(verdict);
  });

  test('a namespace that is being deleted', () => {
    const message =
      'jobs.batch "x" is forbidden: unable to create new content in namespace tk-api because it is being terminated';
    expect(createVerdict('Job', refusal({ status: 403, message }), 'tk-api')).toEqual({
      kind: 'wait',
      cause: 'namespaceTerminating',
      text: 'namespace tk-api is being deleted',
    });
  });

  test('a Job of this name that is being deleted', () => {
    const message = 'object is being deleted: jobs.batch "x" already exists';
    expect(createVerdict('Job', refusal({ status: 409, message }), 'tk-api')).toEqual({
      kind: 'wait',
      cause: 'beingDeleted',
      text: 'an older Job of this name is being deleted',
    });
  });

  test('a quota with several figures', () => {
    const message =
      'jobs.batch "q" is forbidden: exceeded quota: big, requested: count/jobs.batch=1,pods=1, ' +
      'used: count/jobs.batch=20,pods=20, limited: count/jobs.batch=20,pods=20';
    expect(createVerdict('Job', refusal({ status: 403, message }), 'tk-api')).toMatchObject({
      text:
        'quota big of namespace tk-api is used up ' +
        '(used count/jobs.batch=20,pods=20, limit count/jobs.batch=20,pods=20)',
    });
  });

  test('a quota whose message nobody can take apart', () => {
    const message = 'exceeded quota: something new';
    expect(createVerdict('Job', refusal({ status: 403, message }), 'tk-api')).toMatchObject({
      kind: 'wait',
      text: 'a quota of namespace tk-api is used up',
    });
  });

  test('503 with the time after which to come again', () => {
    expect(createVerdict('Job', refusal({ status: 503, retryAfterSeconds: 3 }), 'tk-api')).toEqual({
      kind: 'wait',
      cause: 'unavailable',
      text: 'the Kubernetes API answers 503',
      atLeast: 3,
    });
  });
});

describe('an answer after which the object may be there', () => {
  test('409-duplicate', () => {
    expect(verdictOf('409-duplicate')).toEqual({ kind: 'readByName' });
  });
  test('no answer, and 504', () => {
    expect(createVerdict('Job', 'noAnswer', 'tk-api')).toEqual({ kind: 'readByName' });
    expect(createVerdict('Job', refusal({ status: 504 }), 'tk-api')).toEqual({ kind: 'readByName' });
  });
  test('a conflict of the quota that was being counted at the same time', () => {
    const message = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified';
    expect(createVerdict('Job', refusal({ status: 409, message }), 'tk-api')).toEqual({ kind: 'readByName' });
  });
});

describe('an answer that stays', () => {
  const INVALID = 'Kubernetes refused the Job as invalid';
  const CORRECT = 'Correct the ExecutorEphemeral setting that the message names, then run the job again.';
  const NAMES_RULE =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and " +
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
  const TOO_LONG = `spec.template.labels: Invalid value: "${'j'.repeat(64)}": must be no more than 63 bytes`;
  const POD = 'spec.template.spec';
  const CONTAINER = `${POD}.containers[0]`;

  test.each([
    [
      '400-bad-json',
      "400 BadRequest: the object provided is unrecognized (must be of type Job): couldn't get version/kind; json parse " +
        "error: invalid character 'n' looking for beginning of object key string ({…}",
    ],
    [
      '400-namespace-mismatch',
      '400 BadRequest: the namespace of the provided object does not match the namespace sent on the request',
    ],
    [
      '400-quantity',
      '400 BadRequest: Job in version "v1" cannot be handled as a Job: quantities must match the regular expression ' +
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      '400-strict-unknown-field',
      '400 BadRequest: Job in version "v1" cannot be handled as a Job: strict decoding error: unknown field "spec.backofLimit"',
    ],
    [
      '400-wrong-kind',
      '400 BadRequest: Pod in version "v1" cannot be handled as a Job: converting (v1.Pod) to (batch.Job): unknown conversion',
    ],
    [
      '400-wrong-type',
      '400 BadRequest: Job in version "v1" cannot be handled as a Job: json: cannot unmarshal string into Go struct field ' +
        'JobSpec.spec.backoffLimit of type int32',
    ],
    ['422-env-name', `422 Invalid: ${CONTAINER}.env[0].name: Required value`],
    ['422-invalid-name', `422 Invalid: metadata.name: Invalid value: "Job_17": ${NAMES_RULE}`],
    [
      '422-label-value',
      '422 Invalid: metadata.labels: Invalid value: "a b": a valid label must be an empty string or consist of ' +
        "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  " +
        "or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ],
    ['422-missing-image', `422 Invalid: ${CONTAINER}.image: Required value`],
    [
      '422-multiple',
      `422 Invalid: metadata.name: Invalid value: "A B": ${NAMES_RULE}; spec.parallelism: Invalid value: -2: must be ` +
        'greater than or equal to 0; spec.template.labels: Invalid value: "A B": a valid label must be an empty string or ' +
        "consist of alphanumeric characters, '-…",
    ],
    ['422-name-too-long', `422 Invalid: ${TOO_LONG}; ${TOO_LONG}`],
    ['422-negative-backoff', '422 Invalid: spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0'],
    ['422-no-containers', `422 Invalid: ${POD}.containers: Required value`],
    [
      '422-request-over-limit',
      `422 Invalid: ${CONTAINER}.resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi`,
    ],
    ['422-restart-policy', `422 Invalid: ${POD}.restartPolicy: Required value: valid values: "OnFailure", "Never"`],
    [
      '422-toleration',
      `422 Invalid: ${POD}.tolerations[0].operator: Unsupported value: "Bogus": supported values: "Equal", "Exists"`,
    ],
  ])('%s: the object is invalid', (file, words) => {
    const evidence = `The Kubernetes API answered ${words}`;
    expect(verdictOf(file)).toEqual({ kind: 'terminal', reason: { title: INVALID, evidence, advice: CORRECT } });
  });

  test.each([
    ['403-rbac-create', 'system:serviceaccount:tk-api:norole', 'tk-api'],
    ['403-rbac-nonexistent-namespace', 'system:serviceaccount:terrakube:terrakube-api-service-account', 'nothere'],
    ['403-rbac-other-namespace', 'system:serviceaccount:terrakube:terrakube-api-service-account', 'default'],
  ])('%s: our role lacks the right', (file, user, namespace) => {
    expect(verdictOf(file)).toEqual({
      kind: 'terminal',
      reason: {
        title: 'the dispatcher may not create Jobs in namespace tk-api',
        evidence:
          `The Kubernetes API answered 403 Forbidden: jobs.batch is forbidden: User "${user}" cannot create resource ` +
          `"jobs" in API group "batch" in the namespace "${namespace}"`,
        advice: 'Apply deploy/kubernetes in this cluster and check the EKS access entry of the dispatch role.',
      },
    });
  });

  test('403-rbac-create of a Secret names both cures', () => {
    expect(verdictOf('403-rbac-create', 'Secret')).toMatchObject({
      reason: {
        title: 'the dispatcher may not create Secrets in namespace tk-api',
        advice:
          'Give it create and get on secrets (deploy/kubernetes), or set PayloadTransport=env, which needs Jobs only.',
      },
    });
  });

  test('404-namespace: there is no such namespace', () => {
    expect(verdictOf('404-namespace')).toEqual({
      kind: 'terminal',
      reason: {
        title: 'namespace tk-api does not exist in the cluster',
        evidence: 'The Kubernetes API answered 404 NotFound: namespaces "nothere" not found',
        advice: 'Create the namespace and apply deploy/kubernetes, or correct ExecutorEphemeralNamespace.',
      },
    });
  });

  test('400-webhook-denied-400: an admission policy refused it', () => {
    expect(verdictOf('400-webhook-denied-400')).toEqual({
      kind: 'terminal',
      reason: {
        title: "the cluster's admission policy refused the Job",
        evidence:
          'The Kubernetes API answered 400 BadRequest: admission webhook "validate.policy.example.com" denied the request: ' +
          'image registry is not allowed',
        advice: 'Ask the administrators of the cluster which policy it is and what it demands.',
      },
    });
  });

  test('a 403 of an admission policy: the same', () => {
    const message = 'admission webhook "validate.policy.example.com" denied the request: no';
    expect(createVerdict('Secret', refusal({ message }), 'tk-api')).toMatchObject({
      kind: 'terminal',
      reason: { title: "the cluster's admission policy refused the Secret" },
    });
  });

  test('404-path: it is not the cluster that answers, which may change', () => {
    expect(verdictOf('404-path')).toEqual({
      kind: 'wait',
      cause: 'unavailable',
      text: 'the Kubernetes API is not at its address (404); check EksEndpoint',
    });
  });

  test.each([
    [
      '405-method',
      'The Kubernetes API answered 405 MethodNotAllowed: the server does not allow this method on the requested resource',
    ],
    [
      '415-content-type',
      'The Kubernetes API answered 415 UnsupportedMediaType: the body of the request was in an unknown format - accepted ' +
        'media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    ],
  ])('%s: it is not the API that we speak', (file, evidence) => {
    expect(verdictOf(file)).toEqual({
      kind: 'terminal',
      reason: {
        title: 'the Kubernetes API does not take the Job',
        evidence,
        advice:
          'Check EksEndpoint and the version of the cluster; if both are right, report it as a fault of the dispatcher.',
      },
    });
  });

  test('413: it is too large', () => {
    expect(createVerdict('Secret', refusal({ status: 413, message: '' }), 'tk-api')).toEqual({
      kind: 'terminal',
      reason: {
        title: 'the Secret is larger than the cluster accepts',
        evidence: 'The Kubernetes API answered 413 (request entity too large).',
        advice: 'Make the variables of the workspace and its organization smaller.',
      },
    });
  });
});

test('no recorded answer to a create of a Job is left out here', () => {
  const folder = new URL('../fixtures/kubernetes/api/', import.meta.url);
  const isRefusedCreate = (file: string): boolean => {
    const { request, response } = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
    return request?.method === 'POST' && /\/jobs(\?|$)/.test(request.path) && response.status >= 400;
  };
  const source = readFileSync(new URL(import.meta.url), 'utf8');
  const files = readdirSync(folder).filter(isRefusedCreate);
  expect(files.length).toBeGreaterThan(30);
  expect(files.filter((file) => !source.includes(`'${file.replace('.json', '')}'`))).toEqual([]);
});
