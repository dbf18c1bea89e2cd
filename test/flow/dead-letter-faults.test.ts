// Dead letters that cannot be read, judged or answered: the others go on, and no payload is told.
import { describe, expect, test } from 'vitest';
import { DispatcherError } from '../../lib/domain/errors.ts';
import type { AnswerDeps } from '../../lib/flows/answer-dead-letters.ts';
import type { DeadLetter } from '../../lib/ports.ts';
import { readQueueBody } from '../../lib/schemas/queue-body.ts';
import { ids, PAYLOAD_SECRETS, terrakubeJob } from '../support/builders.ts';
import { attributes, counts, letterOf, ofJob, world } from '../support/dead-letter-world.ts';
import { createInMemoryDeadLetters, deadLetter } from '../support/in-memory-dead-letters.ts';
import { createInMemoryTerrakube } from '../support/in-memory-terrakube.ts';
import { leaksIn } from '../support/leaks.ts';
import { tap } from '../support/tap.ts';

describe('a dead letter that nobody can read', () => {
  test('stays, is counted, and is not quoted', async () => {
    const { deadLetters, log, run } = world([letterOf(ids(), { attributes: { encoding: 'rot13' } })]);

    expect(await run()).toEqual(counts({ unreadable: 1 }));

    expect(deadLetters.removed).toEqual([]);
    expect(log.lines).toEqual([
      {
        level: 'warn',
        message: 'dead letter looked at',
        messageId: 'm1',
        outcome: 'unreadable',
        reason: 'its encoding is not known',
      },
    ]);
    expect(leaksIn(log.lines, PAYLOAD_SECRETS)).toEqual([]);
  });

  test('does not keep the others when reading it fails', async () => {
    const { deadLetters, log, run } = world([deadLetter({ messageId: 'm0' }), letterOf()]);
    const read = (letter: DeadLetter) => {
      if (letter.messageId === 'm0') throw new RangeError(`cannot read ${PAYLOAD_SECRETS[0]}`);
      return readQueueBody(letter);
    };

    expect(await run({ read })).toEqual(counts({ answered: 1, unreadable: 1 }));

    expect(deadLetters.removed).toEqual(['r-m1']);
    expect(log.lines[0]).toMatchObject({ messageId: 'm0', reason: 'reading it fails (RangeError)' });
    expect(leaksIn(log.lines, PAYLOAD_SECRETS)).toEqual([]);
  });
});

describe('a fault with one letter', () => {
  const letters = ['16', '17'].map((jobId) => letterOf(ofJob(jobId), { messageId: `m${jobId}` }));
  const down = (what: string) => new DispatcherError('terrakubeUnavailable', `Terrakube gave no answer to ${what}.`);

  test.each(['getJob', 'readLog', 'appendLog', 'patchStep', 'patchJob'])(
    'leaves it when Terrakube does not answer to %s, and the others go on',
    async (broken) => {
      const { terrakube, deadLetters, deps, log, run } = world(letters);
      terrakube.put(ofJob('16'), terrakubeJob());
      let calls = 0;
      const breaking = tap(deps.terrakube, (method, call) => {
        // The first letter gets there first.
        if (method === broken) calls += 1;
        return method === broken && calls === 1 ? Promise.reject(down(method)) : call();
      });

      expect(await run({ terrakube: breaking })).toEqual(counts({ answered: 1, failed: 1 }));

      expect(deadLetters.removed).toHaveLength(1);
      expect(log.lines.filter(({ level }) => level === 'error')).toEqual([
        {
          level: 'error',
          message: 'dead letter looked at',
          messageId: 'm16',
          terrakubeJobId: '16',
          stepId: ids().stepId,
          outcome: 'failed',
          code: 'terrakubeUnavailable',
          reason: `Terrakube gave no answer to ${broken}.`,
        },
      ]);
      expect(leaksIn(log.lines, PAYLOAD_SECRETS)).toEqual([]);
    },
  );

  test('leaves a step that waits when the cluster cannot be read', async () => {
    const { terrakube, deadLetters, log, run } = world([letterOf()]);
    const listJobs = () => Promise.reject(new DispatcherError('clusterRefused', 'refused.', { status: 403 }));

    expect(await run({ cluster: { listJobs } })).toEqual(counts({ failed: 1 }));

    expect({ removed: deadLetters.removed, said: terrakube.everyLine }).toEqual({ removed: [], said: [] });
    expect(log.lines).toMatchObject([{ level: 'error', outcome: 'failed', code: 'clusterRefused', status: 403 }]);
  });

  test('of a foreign kind says where it came from, and nothing else', async () => {
    const { log, run } = world([letterOf()]);
    const getJob = () => Promise.reject(new Error(`what about ${PAYLOAD_SECRETS[1]}?`));

    expect(await run({ terrakube: { ...createInMemoryTerrakube(), getJob } })).toEqual(counts({ failed: 1 }));

    expect(log.lines).toMatchObject([{ outcome: 'failed', code: 'unexpected', reason: 'Error' }]);
    expect(leaksIn(log.lines, PAYLOAD_SECRETS)).toEqual([]);
  });

  test('that was told and could not be removed is removed by the next run, and told once', async () => {
    const { terrakube, deadLetters, run } = world([letterOf()]);
    const remove = () => Promise.reject(new DispatcherError('queueUnavailable', 'no.'));

    expect(await run({ deadLetters: { ...deadLetters, remove } })).toEqual(counts({ failed: 1 }));
    const again = createInMemoryDeadLetters([letterOf()]);
    expect(await run({ deadLetters: again })).toEqual(counts({ removed: 1 }));

    expect(again.removed).toEqual(['r-m1']);
    expect(terrakube.everyLine).toHaveLength(3);
  });
});

describe('a payload', () => {
  const secrets = [...PAYLOAD_SECRETS, 'a-secret-attribute'];
  const letters = [
    letterOf(ids(), { attributes: { ...attributes, other: 'a-secret-attribute' } }),
    letterOf(ofJob('18'), { messageId: 'm2' }),
    letterOf(ofJob('19'), { messageId: 'm3' }),
    letterOf(ids(), { messageId: 'm4', attributes: { kind: 'a-secret-attribute' } }),
    letterOf(ids(), { messageId: 'm5', attributes: { encoding: 'a-secret-attribute' } }),
    deadLetter({ messageId: 'm6', body: `{"accessToken":"${PAYLOAD_SECRETS[0]}"` }),
  ];

  test('is seen neither in the log nor in what Terrakube is told', async () => {
    const { terrakube, deps, log, run } = world(letters);
    terrakube.put(ofJob('19'), terrakubeJob());
    const breaking: AnswerDeps['terrakube'] = {
      ...deps.terrakube,
      getJob: (of) =>
        of.jobId === '19' ? Promise.reject(new Error(PAYLOAD_SECRETS.join())) : deps.terrakube.getJob(of),
    };

    expect(await run({ terrakube: breaking })).toEqual(counts({ answered: 1, removed: 1, unreadable: 3, failed: 1 }));

    expect(log.lines).toHaveLength(6);
    expect(leaksIn([log.lines, terrakube.everyLine, terrakube.job(ids())], secrets)).toEqual([]);
  });
});
