// Recorded audit logs, line by line, whole, cut anywhere and damaged: names are right, and nothing throws.
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { gunzipLogs } from '../../lib/clients/cloudwatch-logs.ts';
import { packedLogs, readJobStatusEvent } from '../../lib/schemas/job-status-event.ts';
import { auditLife, batchText, logsEvent, OWN, packedEvent } from '../support/audit.ts';
import { filterPattern, MAX_PATTERN_LENGTH } from '../support/filter-pattern.ts';
import { subscriptionPattern } from '../support/subscription.ts';

const FILES = readdirSync(new URL('../fixtures/kubernetes/audit/', import.meta.url))
  .map((file) => file.replace('.json', ''))
  .toSorted();
const lives = FILES.map((file) => ({ file, ...auditLife(file) }));
const read = (event: unknown) => readJobStatusEvent(event, OWN);

/** What a line says, in a few words. */
function wordsOf(line: string): string {
  const { verb, objectRef, user, responseStatus } = JSON.parse(line);
  const what = [objectRef.resource, objectRef.subresource].filter(Boolean).join('/');
  return `${verb} ${what} ${responseStatus.code} by ${user.username.split(':').at(-1)}`;
}

/** Which lines ring, each in a few words, with `+` where it holds a document of the Job. */
const rungIn = (lines: readonly string[]): readonly string[] =>
  lines.flatMap((line) =>
    read(logsEvent([line])).doorbells.map(({ final }) => `${wordsOf(line)}${final === undefined ? '' : ' +'}`),
  );

describe('line by line', () => {
  test.each(lives)('$file speaks of its own Job only', ({ jobName, lines }) => {
    const names = lines.flatMap((line) => read(logsEvent([line])).doorbells.map((doorbell) => doorbell.jobName));
    expect(jobName).toMatch(/^job-[0-9]+-[0-9a-f]{10}$/);
    expect(new Set(names)).toEqual(new Set([jobName]));
  });

  test.each<[string, readonly string[]]>([
    [
      'audit-job-exit-1',
      [
        'update jobs/status 200 by job-controller +',
        ...Array<string>(3).fill('patch pods/status 200 by node1'),
        'update jobs/status 200 by job-controller +',
        'patch pods/status 200 by node1',
        'update jobs/status 200 by job-controller +',
        'patch pods/status 200 by node1',
        'update jobs/status 200 by job-controller +',
        'patch pods 200 by job-controller',
        'update jobs/status 200 by job-controller +',
        'delete jobs 200 by admin',
        // Its pod goes last, and says whose it was.
        'delete pods 200 by generic-garbage-collector +',
      ],
    ],
    [
      'ours-success-ttl',
      [
        'update jobs/status 200 by job-controller +',
        ...Array<string>(3).fill('patch pods/status 200 by local'),
        'update jobs/status 200 by job-controller +',
        'patch pods 200 by job-controller',
        'update jobs/status 200 by job-controller +',
        'delete jobs 200 by ttl-after-finished-controller +',
        'delete pods 200 by generic-garbage-collector +',
        'patch jobs 200 by generic-garbage-collector +',
      ],
    ],
    [
      'audit-job-unschedulable',
      [
        'update jobs/status 200 by job-controller +',
        'patch pods/status 200 by kube-scheduler',
        'delete jobs 200 by admin',
        'patch pods 200 by job-controller',
        'delete pods 200 by generic-garbage-collector +',
      ],
    ],
    [
      'ours-refused-quota',
      [
        'create pods 403 by job-controller',
        'update jobs/status 200 by job-controller +',
        'create pods 403 by job-controller',
      ],
    ],
  ])('%s rings where the Job fares differently', (file, expected) => {
    expect(rungIn(auditLife(file).lines)).toEqual(expected);
  });

  test.each(['ours-refused-limit-range', 'ours-refused-pod-security'])('%s rings for each refused pod', (file) => {
    expect(rungIn(auditLife(file).lines).filter((words) => words.startsWith('create'))).toEqual([
      'create pods 403 by job-controller',
      'create pods 403 by job-controller',
    ]);
  });
});

describe('whole', () => {
  test.each<[string, readonly string[], boolean]>([
    ['audit-job-exit-1', ['FailureTarget', 'Failed'], false],
    ['audit-job-success', ['SuccessCriteriaMet', 'Complete'], true],
    ['audit-job-missing-secret', [], false],
    ['ours-success-ttl', ['SuccessCriteriaMet', 'Complete'], true],
    ['ours-exit-1', ['FailureTarget', 'Failed'], false],
    ['ours-deleted-background', [], false],
    ['ours-deleted-foreground', [], true],
  ])('%s ends with the newest document of its Job', (file, conditions, isBeingDeleted) => {
    const { jobName, lines } = auditLife(file);
    const { doorbells } = read(logsEvent(lines));

    expect(doorbells.map((doorbell) => doorbell.jobName)).toEqual([jobName]);
    const { metadata, status } = doorbells[0]?.final ?? {};
    expect((status?.conditions ?? []).map(({ type }) => type)).toEqual(conditions);
    expect(metadata?.deletionTimestamp !== undefined).toBe(isBeingDeleted);
  });

  test('is the same in any order', () => {
    for (const { lines } of lives) {
      expect(read(logsEvent(lines.toReversed())).doorbells).toEqual(read(logsEvent(lines)).doorbells);
    }
  });

  test('all lives in one batch are a doorbell each, the Jobs of others among them are none', () => {
    const others = lives.flatMap(({ lines }) => [
      ...lines.map((line) => line.replaceAll('"terrakube"', '"terrakube-2"')),
      ...lines
        .filter((line) => line.includes(OWN.installation))
        .map((line) => line.replaceAll(OWN.installation, 'a1b2c3d4')),
    ]);
    const { doorbells, ignored } = read(logsEvent([...others, ...lives.flatMap(({ lines }) => lines), ...others]));

    expect(doorbells.map(({ jobName }) => jobName).toSorted()).toEqual(lives.map(({ jobName }) => jobName).toSorted());
    expect(ignored.map(({ reason }) => reason).toSorted()).toEqual([
      'notStatus',
      'otherInstallation',
      'otherNamespace',
      'refused',
    ]);
  });

  test('of another installation, no line rings that holds labels', () => {
    for (const { lines } of lives) {
      const labelled = lines.filter((line) => line.includes(`"terrakube.io/installation":"${OWN.installation}"`));
      expect(readJobStatusEvent(logsEvent(labelled), { ...OWN, installation: 'a1b2c3d4' }).doorbells).toEqual([]);
    }
  });

  test('comes through gzip and base64 as it was', () => {
    for (const { lines } of lives) {
      expect(gunzipLogs(packedLogs(packedEvent(lines)) ?? '')).toBe(batchText(lines));
    }
  });
});

describe('cut', () => {
  test.each(lives)('$file rings for no line that is cut, at every 97th character', ({ lines }) => {
    for (const line of lines) {
      const cut = Array.from({ length: Math.ceil(line.length / 97) }, (_, index) => line.slice(0, index * 97));
      expect(read(logsEvent(cut))).toEqual({ doorbells: [], ignored: [{ reason: 'unreadable' }] });
    }
  });

  test.each(lives)('$file rings for the lines before the one that is cut, wherever that is', ({ jobName, lines }) => {
    lines.forEach((line, index) => {
      const before = lines.slice(0, index);
      const { doorbells } = read(logsEvent([...before, line.slice(0, -1)]));
      expect(doorbells).toEqual(read(logsEvent(before)).doorbells);
      expect(doorbells.every((doorbell) => doorbell.jobName === jobName)).toBe(true);
    });
  });

  test.each(lives)('$file is ignored when the batch itself is cut', ({ lines }) => {
    const text = batchText(lines);
    for (let end = 0; end < text.length; end += 97 * 41) {
      const cut = read({ awslogs: { text: text.slice(0, end) } });
      expect(cut).toEqual({ doorbells: [], ignored: [{ reason: 'unreadable' }] });
    }
  });

  test.each(lives)('$file does not unpack when its gzip is truncated', ({ lines }) => {
    const packed = Buffer.from(packedEvent(lines).awslogs.data, 'base64');
    for (let end = 0; end < packed.length; end += 97) {
      expect(gunzipLogs(packed.subarray(0, end).toString('base64'))).toBeUndefined();
    }
  });

  test('does not unpack when a byte is another, and then is ignored', () => {
    const packed = Buffer.from(packedEvent(auditLife('audit-job-exit-1').lines).awslogs.data, 'base64');
    for (let at = 10; at < packed.length; at += 97) {
      const damaged = Buffer.from(packed);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0xff, at);
      const text = gunzipLogs(damaged.toString('base64'));
      expect(read({ awslogs: { text } })).toEqual({ doorbells: [], ignored: [{ reason: 'unreadable' }] });
    }
  });
});

describe('the subscription of template.yaml', async () => {
  const pattern = await subscriptionPattern(OWN.namespace);
  const passes = filterPattern(pattern);

  test('has a pattern that CloudWatch Logs takes, with the longest name of a namespace', () => {
    expect(pattern.length + 63).toBeLessThan(MAX_PATTERN_LENGTH);
  });

  test.each(lives)('lets pass what rings in $file, and nothing else', ({ lines }) => {
    const rings = (line: string): boolean => read(logsEvent([line])).doorbells.length > 0;
    expect(lines.filter(passes).map(wordsOf)).toEqual(lines.filter(rings).map(wordsOf));
  });

  test('lets nothing pass of another namespace', () => {
    const foreign = lives.flatMap(({ lines }) => lines.map((line) => line.replaceAll('"terrakube"', '"other"')));
    expect(foreign.filter(passes)).toEqual([]);
  });

  test('lets every line of our event file pass', () => {
    const event = JSON.parse(readFileSync('events/job-status.audit.json', 'utf8'));
    const batch = JSON.parse(gunzipSync(Buffer.from(event.awslogs.data, 'base64')).toString('utf8'));
    const messages: readonly string[] = batch.logEvents.map(({ message }: { message: string }) => message);
    expect(messages.length).toBeGreaterThan(5);
    expect(messages.filter((message) => !passes(message))).toEqual([]);
  });
});
