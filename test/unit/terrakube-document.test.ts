import { describe, expect, test } from 'vitest';
import { parseTerrakubeErrors, parseTerrakubeJob } from '../../lib/schemas/terrakube-document.ts';
import { readRecording } from '../support/terrakube-recordings.ts';

const textOf = (name: string): string => JSON.stringify(readRecording(name).response.body);
const document = (job: unknown, included?: unknown) => JSON.stringify({ data: { attributes: job }, included });
const step = (id: string, attributes: Readonly<Record<string, unknown>>) => ({ type: 'step', id, attributes });

describe('a job as Terrakube tells it', () => {
  test.each(['get_job_sparse', 'get_job_include_step'])('is read from the recorded %s, its steps in order', (name) => {
    const job = parseTerrakubeJob(textOf(name));
    expect(job).toMatchObject({ status: expect.stringMatching(/^[a-z]+$/) });
    const numbers = job?.steps.map(({ stepNumber }) => stepNumber) ?? [];
    expect(numbers.length).toBeGreaterThan(1);
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
    for (const { id } of job?.steps ?? []) expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('has its steps in the order of their numbers, and nothing that is no step', () => {
    const included = [
      step('c', { stepNumber: 200, status: 'pending', name: 'Apply', output: null }),
      { type: 'workspace', id: 'w', attributes: {} },
      step('a', { stepNumber: 100, status: 'completed', name: 'Plan', output: 'https://logs' }),
    ];
    expect(parseTerrakubeJob(document({ status: 'queue' }, included))).toMatchObject({
      status: 'queue',
      steps: [
        { id: 'a', stepNumber: 100, status: 'completed', name: 'Plan', output: 'https://logs' },
        { id: 'c', stepNumber: 200, status: 'pending', name: 'Apply', output: null },
      ],
    });
  });

  test('has no steps while Terrakube commits it', () => {
    expect(parseTerrakubeJob(document({ status: 'pending' }))).toMatchObject({ status: 'pending', steps: [] });
    expect(parseTerrakubeJob(document({ status: 'pending' }, []))).toMatchObject({ status: 'pending', steps: [] });
  });

  test('has steps without a name or an output', () => {
    expect(
      parseTerrakubeJob(document({ status: 'queue' }, [step('a', { status: 'pending', name: null })])),
    ).toMatchObject({
      steps: [{ id: 'a', stepNumber: 0, status: 'pending', name: '', output: null }],
    });
  });

  test.each<readonly [string, string]>([
    ['an empty text', ''],
    ['HTML', '<html>502</html>'],
    ['null', 'null'],
    ['an array', '[]'],
    ['an error', textOf('get_job_404')],
    ['a list of jobs', JSON.stringify({ data: [{ attributes: { status: 'queue' } }] })],
    ['a job without a status', document({})],
    ['a job whose status is a number', document({ status: 7 })],
    ['a job whose status is null', document({ status: null })],
    ['steps that are no list', document({ status: 'queue' }, {})],
    ['a step with a number as its id', document({ status: 'queue' }, [{ ...step('a', {}), id: 7 }])],
    ['a step with an object as its output', document({ status: 'queue' }, [step('a', { output: {} })])],
    ['brackets without end', '['.repeat(100_000)],
  ])('is not read from %s', (_, text) => {
    expect(parseTerrakubeJob(text)).toBeUndefined();
  });
});

describe('the errors of Terrakube', () => {
  test.each([
    ['get_job_404', ['Unknown identifier [999999999] for job']],
    ['patch_step_unknown_attr', ['Unknown attribute foo in step']],
  ])('are read from the recorded %s', (name, details) => {
    expect(parseTerrakubeErrors(textOf(name))).toEqual(details);
  });
  test.each(['', 'nope', '{}', '{"errors":{}}', '{"errors":[{}]}', '{"errors":[{"detail":7}]}', 'null'])(
    'are none in %j',
    (text) => {
      expect(parseTerrakubeErrors(text)).toEqual([]);
    },
  );
});
