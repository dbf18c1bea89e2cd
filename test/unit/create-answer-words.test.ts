import { describe, expect, test } from 'vitest';
import { createVerdict, isUnauthorized, readFailure } from '../../lib/domain/create-answer.ts';
import { DispatcherError, type ErrorCode } from '../../lib/domain/errors.ts';
import { refusal } from '../support/builders.ts';

describe('the words of the API server', () => {
  const evidenceFor = (message: string): string => {
    const verdict = createVerdict('Job', refusal({ status: 422, reason: 'Invalid', message }), 'tk-api');
    return verdict.kind === 'terminal' ? verdict.reason.evidence : verdict.kind;
  };
  test('are quoted without the objects in them', () => {
    expect(evidenceFor('spec: Invalid value: {"env":[{"value":"s3cret"}]}: field is immutable')).toBe(
      'The Kubernetes API answered 422 Invalid: spec: Invalid value: {…}: field is immutable',
    );
  });
  test.each(['spec: {"env":[{"value":"s3cret"', 'a {} b {"s3cret', '{\n"s3cret"\n}', '{"s3cret"'])(
    'are quoted without objects that are cut or go over lines: %j',
    (message) => {
      expect(evidenceFor(message)).not.toContain('s3cret');
    },
  );
  test('are cut after 500 characters', () => {
    expect(evidenceFor('x'.repeat(501))).toBe(`The Kubernetes API answered 422 Invalid: ${'x'.repeat(500)}…`);
    expect(evidenceFor('x'.repeat(500))).toBe(`The Kubernetes API answered 422 Invalid: ${'x'.repeat(500)}`);
  });
});

describe('the words of a policy', () => {
  const base64 = Buffer.from('{"commandList":["export PASSWORD=hunter2"]}').toString('base64');
  const evidenceOf = (created: 'Job' | 'Secret', status: number, message: string, causes = {}): string => {
    const verdict = createVerdict(created, refusal({ status, reason: 'Forbidden', message, ...causes }), 'terrakube');
    return verdict.kind === 'terminal'
      ? `${verdict.reason.evidence} ${verdict.reason.advice}`
      : JSON.stringify(verdict);
  };
  const policy = "ValidatingAdmissionPolicy 'no-tokens' with binding 'all' denied request: ";

  test.each([base64, 'payload [accessToken=ghp_vcsTokenOfTheWorkspace]', 'map[password:hunter2]'])(
    'about a Secret are not passed on, for they can be its content: %s',
    (content) => {
      for (const status of [400, 403, 422]) {
        const said = evidenceOf('Secret', status, `${policy}${content}`);
        expect(said).toContain('denied by no-tokens');
        expect(said).toContain('administrators of the cluster');
        expect(said).not.toContain(content);
      }
    },
  );
  test('about fields of a Secret name the fields only', () => {
    const causes = { causes: [{ field: 'data[EphemeralJobData]', message: `Invalid value: "${base64}"` }] };
    expect(evidenceOf('Secret', 422, 'Secret is invalid', causes)).toContain('not valid: data[EphemeralJobData]');
    expect(evidenceOf('Secret', 422, 'Secret is invalid', causes)).not.toContain(base64);
  });
  test.each([base64, `${'A1b'.repeat(9)}`, 'map[password:hunter2 user:admin', 'map[a:map[b:hunter2] c:d]'])(
    'about a Job are passed on without encoded data and objects: %s',
    (content) => {
      const said = evidenceOf('Job', 403, `${policy}the label team is missing (${content})`);
      expect(said).toContain('the label team is missing');
      expect(said).not.toContain(content);
      expect(said).not.toContain('hunter2');
    },
  );
  test('names of objects are no encoded data', () => {
    const message = `${policy}terrakube-executor-secrets-production is not job-17-9f2f7f6303 of 9ab83fc6-8726-4fe3-8e0b-e3880b98f012`;
    expect(evidenceOf('Job', 403, message)).toContain(message);
  });
  test.each([
    `admission webhook "w" denied the request: exceeded quota: q, requested: a=1, used: hunter2 is it, limited: no`,
    `exceeded quota: q, requested: a=1, used: a=${base64}, limited: a=1`,
    `exceeded quota: q, requested: a=1, used: password:hunter2, limited: a=1`,
  ])('that look like a quota are not passed on: %s', (message) => {
    expect(evidenceOf('Secret', 403, message)).toContain('a quota of namespace terrakube is used up');
    expect(evidenceOf('Secret', 403, message)).not.toContain('hunter2');
    expect(evidenceOf('Secret', 403, message)).not.toContain(base64);
  });
});

describe('a sign-in that is not accepted', () => {
  const anonymous = 'jobs.batch is forbidden: User "system:anonymous" cannot create resource "jobs"';
  test.each([
    [true, { status: 401, message: 'Unauthorized' }],
    [true, { status: 403, message: anonymous }],
    [false, { status: 403, message: 'jobs.batch is forbidden: User "dispatch" cannot create resource "jobs"' }],
    [false, { status: 422, message: anonymous }],
  ])('%s: %j', (expected, changes) => {
    expect(isUnauthorized(refusal(changes))).toBe(expected);
  });
});

test('a read of the cluster that failed is explained, and any other failure is not', () => {
  const explain = (code: ErrorCode, message = 'x.') => readFailure(new DispatcherError(code, message));
  expect(explain('clusterUnauthorized')).toEqual({
    cause: 'unauthorized',
    text: expect.stringContaining('check the EKS access entry'),
  });
  expect(explain('clusterUnavailable')).toEqual({
    cause: 'unavailable',
    text: 'the Kubernetes API does not answer',
  });
  expect(explain('clusterUnknown', 'Cluster prdo cannot be described (ResourceNotFoundException).')).toEqual({
    cause: 'unavailable',
    text: 'Cluster prdo cannot be described (ResourceNotFoundException)',
  });
  expect(explain('clusterRefused')).toEqual({
    cause: 'unavailable',
    text: 'the Kubernetes API refuses to list Jobs; apply deploy/kubernetes',
  });
  expect(explain('terrakubeUnavailable')).toBeUndefined();
});
