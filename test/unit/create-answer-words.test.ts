import { describe, expect, test } from 'vitest';
import { createVerdict, isUnauthorized, readFailure } from '../../lib/domain/create-answer.ts';
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
  expect(readFailure('clusterUnauthorized')).toEqual({
    cause: 'unauthorized',
    text: expect.stringContaining('check the EKS access entry'),
  });
  expect(readFailure('clusterUnavailable')).toEqual({
    cause: 'unavailable',
    text: 'the Kubernetes API does not answer',
  });
  expect(readFailure('clusterRefused')).toEqual({
    cause: 'unavailable',
    text: 'the Kubernetes API refuses to list Jobs; apply deploy/kubernetes',
  });
  expect(readFailure('terrakubeUnavailable')).toBeUndefined();
});
