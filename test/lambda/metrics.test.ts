// What the built functions put, behind the URL of intake's own: every line that they write is one of the log or one of
// CloudWatch's embedded metric format, and the numbers are those of what has happened.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emfFaults } from '../support/emf.ts';
import { type RunningStack, startRunningStack, until } from '../support/running-stack.ts';

const STACK = 'terrakube-dispatcher';
const SECRETS = ['marker-vcs-token', 'marker-variable'];
const isMetrics = (line: Readonly<Record<string, unknown>>): boolean => '_aws' in line;

let running: RunningStack;
beforeAll(async () => {
  running = await startRunningStack({
    jobStatus: true,
    executor: [process.execPath, '-e', 'process.exit(3)'],
    parameters: { Ingress: 'functionUrl' },
  });
  const { stack } = running;
  const { jobId } = stack.terrakube.createJob({
    steps: [{ type: 'terraformPlan', name: 'Plan' }],
    ...{ accessToken: SECRETS[0] ?? '', variables: { password: SECRETS[1] ?? '' } },
  });
  await fetch(stack.dispatchUrl, { method: 'POST', body: '{}', headers: { authorization: `Bearer ${SECRETS[0]}` } });
  await until('the user to be told', () => stack.terrakube.job(jobId).status === 'failed');
  await until('job-status to have counted it', () => running.logs.some((line) => 'ClusterToToldMs' in line));
});
afterAll(() => running.stack.close());

/** The first line that has this metric. */
const lineWith = (name: string) => running.logs.find((line) => isMetrics(line) && name in line);

describe('the lines of the functions', () => {
  test('are each one JSON object: of the log with a level, or of metrics in the format', () => {
    expect(running.stack.dispatchUrl).not.toContain('/v1/api');
    const functionLines = running.lines.filter((line) => line.startsWith('{'));
    expect(functionLines.length).toBeGreaterThan(6);
    const faults = functionLines.flatMap((line) => {
      const parsed = JSON.parse(line);
      return isMetrics(parsed) ? emfFaults(parsed) : 'level' in parsed && 'service' in parsed ? [] : [line];
    });
    expect(faults).toEqual([]);
  });

  test('say what has happened to the step, and to a request that nobody signed', () => {
    expect(lineWith('Accepted')).toMatchObject({ Installation: STACK, Accepted: 1 });
    expect(lineWith('Refused')).toMatchObject({ Installation: STACK, Refused: 1, Reason: 'unauthorized' });
    expect(lineWith('Dispatched')).toMatchObject({ Dispatched: 1, AcceptedToCreatedMs: expect.any(Number) });
    expect(lineWith('ToldFailed')).toMatchObject({
      ToldFailed: 1,
      Reason: 'exit',
      ClusterToToldMs: expect.any(Number),
    });
  });

  test('count a tell once, however many events there were', () => {
    expect(running.logs.filter((line) => isMetrics(line) && 'ToldFailed' in line)).toHaveLength(1);
  });

  test('hold no secret', () => {
    expect(running.lines.filter((line) => SECRETS.some((secret) => line.includes(secret)))).toEqual([]);
  });
});
