import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { jobOutcome } from '../../lib/domain/job-outcome.ts';
import { needsSecret, PAYLOAD_TRANSPORTS } from '../../lib/domain/payload-transport.ts';
import { executorSettings, NOON, payload, request } from '../support/builders.ts';
import { anyDocuments, type Documents } from '../support/kubernetes-arbitraries.ts';
import { scenario, scenarioNames } from '../support/kubernetes-fixtures.ts';
import { slim } from '../support/slim.ts';

function slimDocuments({ job, pods, events }: Documents): Documents {
  return {
    job: job && slim('Job', job),
    pods: pods.map((pod) => slim('Pod', pod)),
    events: events.map((event) => slim('Event', event)),
  };
}

const outcomeOf = ({ job, pods, events }: Documents) => jobOutcome(job, pods, events, NOON);

test('an outcome is the same without what is dropped, whatever the documents', () => {
  fc.assert(
    fc.property(anyDocuments, (documents) => {
      expect(outcomeOf(slimDocuments(documents))).toEqual(outcomeOf(documents));
    }),
  );
});

// The cause of this failure is the length of a variable's value, and values are what must not be kept.
const WITHOUT_VALUES = 'env-too-large';

test.each(scenarioNames.filter((name) => name !== WITHOUT_VALUES))(
  'the outcome of a recorded Job is the same without what is dropped (%s)',
  (name) => {
    const documents = scenario(name);
    const whole = { job: documents.job, pods: documents.pods, events: documents.events };
    expect(outcomeOf(slimDocuments(whole))).toEqual(outcomeOf(whole));
  },
);

test('a Job that failed for a long variable has failed all the same, for a cause that a second look makes better', () => {
  const { job, pods, events } = scenario(WITHOUT_VALUES);
  expect(outcomeOf({ job, pods, events })).toMatchObject({ kind: 'failed', cause: 'envTooLarge' });
  expect(outcomeOf(slimDocuments({ job, pods, events }))).toMatchObject({ kind: 'failed', cause: 'exit' });
});

test.each(PAYLOAD_TRANSPORTS)(
  'a slim Job still says whether it has a payload Secret, and holds no payload (%s)',
  (transport) => {
    const job = buildJob({
      request: request({ payload: payload() }),
      settings: executorSettings({ transport }),
      installation: 'a1b2c3d4',
      start: 1,
      now: NOON,
    });
    expect(needsSecret(slim('Job', job))).toBe(needsSecret(job));
    expect(JSON.stringify(slim('Job', job))).not.toContain(Buffer.from(payload()).toString('base64'));
  },
);
