import { describe, expect, test } from 'vitest';
import { outdatedImageReason } from '../../lib/domain/executor-image.ts';
import { readRequestedOptions } from '../../lib/schemas/payload-options.ts';
import { readDispatch } from '../support/terrakube-recordings.ts';

const fieldsOf = (name: string) => readRequestedOptions(Buffer.from(readDispatch(name).text, 'utf8')).fields;

test('the default image cannot read what Terrakube 2.33 sends', () => {
  expect(outdatedImageReason('azbuilder/executor:2.22.0', fieldsOf('dispatch_terraformPlan'))).toEqual({
    title: 'the executor image is version 2.22.0, but Terrakube is 2.30 or later',
    evidence:
      "The job's data has the field onFailureList, which executors know since 2.30; image azbuilder/executor:2.22.0 would never end.",
    advice: 'Set ExecutorEphemeralImage to an executor of the same version as your Terrakube API.',
  });
});

describe('the release that a field came with', () => {
  test.each([
    ['connectionType', '2.22.9', '2.23.0'],
    ['command.verbose', '2.22.0', '2.23.0'],
    ['ignoreError', '2.23.1', '2.24.0'],
    ['command.beforeInit', '2.27.0', '2.28.0'],
    ['onFailureList', '2.29.0', '2.30.0'],
    ['policyList', '2.33.0', '2.33.1'],
    ['policyExemptionList', '2.33.0', '2.33.1'],
  ])('%s: not %s, but %s', (field, old, since) => {
    expect(outdatedImageReason(`azbuilder/executor:${old}`, [field])).toMatchObject({
      title: `the executor image is version ${old}, but Terrakube is ${since.replace(/\.0$/, '')} or later`,
    });
    expect(outdatedImageReason(`azbuilder/executor:${since}`, [field])).toBeUndefined();
  });

  test('of the newest field counts', () => {
    expect(outdatedImageReason('e:2.24.0', ['onFailureList', 'connectionType', 'unknown'])?.title).toContain('2.30');
    expect(outdatedImageReason('e:2.24.0', ['connectionType', 'unknown'])).toBeUndefined();
  });
});

describe('an image', () => {
  const fields = ['onFailureList'];
  test.each([
    'executor:2.29.0',
    'azbuilder/executor:v2.29.1',
    'registry.example:5000/terrakube/executor:2.29.0-beta.3',
    '123456789012.dkr.ecr.eu-central-1.amazonaws.com/executor:2.29',
    `azbuilder/executor:2.22.0@sha256:${'a'.repeat(64)}`,
  ])('that is too old: %s', (image) => {
    expect(outdatedImageReason(image, fields)).toBeDefined();
  });
  test.each([
    'executor:2.30.0',
    'executor:2.33.0-beta.12',
    'executor:2.100.0',
    'executor:3.0.0',
    'executor',
    'executor:latest',
    'registry.example:2200/executor',
    `executor@sha256:${'2'.repeat(64)}`,
    'executor:main-2.22.0',
    'executor:20241101',
    'corp/executor:1.4.2',
    'executor:2',
    '',
    ':',
  ])('that may be new enough: "%s"', (image) => {
    expect(outdatedImageReason(image, fields)).toBeUndefined();
  });
});
