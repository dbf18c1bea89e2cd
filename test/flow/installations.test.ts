// Two Terrakubes may share a namespace: their jobs have the same numbers, and must not meet.
import { expect, test } from 'vitest';
import { installationOf, jobName, LABEL } from '../../lib/domain/job-name.ts';
import { ids } from '../support/builders.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';

const [ONE, OTHER] = [installationOf('https://one.example.com'), installationOf('https://other.example.com/')];

test('two installations in one namespace leave each other alone, even with the same ids', async () => {
  const one = createDispatchWorld();
  const other = createDispatchWorld();
  const jobs = one.deps.jobs;

  expect(await one.deliver({ installation: ONE })).toBe('done');
  expect(await other.deliver({ installation: OTHER, jobs })).toBe('done');
  // The second one's Job ends; the first one's delivery comes again.
  one.store.end(jobName(ids(), OTHER, 1), 'Failed');
  expect(await one.deliver({ installation: ONE })).toBe('done');

  expect(one.store.createdNames()).toEqual([jobName(ids(), ONE, 1), jobName(ids(), OTHER, 1)]);
  expect(one.store.allJobs().map(({ metadata }) => metadata?.labels?.[LABEL.installation])).toEqual([ONE, OTHER]);
  expect(one.store.allSecrets().map(({ metadata }) => metadata?.name)).toEqual(one.store.createdNames());
});

test('an installation is the same with and without a slash at the end of its URL', () => {
  expect(installationOf('https://one.example.com/')).toBe(ONE);
  expect(ONE).toMatch(/^[0-9a-f]{8}$/);
});
