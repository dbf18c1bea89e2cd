/** What the stand-in makes of each answer to a dispatch POST: the recorded table, its 30 and 60 seconds shortened. */
import { afterEach, describe, expect, test } from 'vitest';
import { ACCEPTED, answer, type SinkAnswer, startDispatchSink } from '../support/dispatch-sink.ts';
import { HELLO, startTerrakubeBench, type TerrakubeBench } from '../support/terrakube-bench.ts';
import { readAnswerTable } from '../support/terrakube-recordings.ts';

const RESEND_AFTER_MS = 100;
const ANSWER_TIMEOUT_MS = 250;
const JSON_BODY = { 'content-type': 'application/json' };

let bench: TerrakubeBench;

function after(delayMs: number, then: SinkAnswer): SinkAnswer {
  return (response, nth) => setTimeout(() => then(response, nth), delayMs);
}

/** Bytes on the connection, and then its end. */
function raw(text: string, end: 'close' | 'reset'): SinkAnswer {
  return (response) => {
    const { socket } = response;
    if (socket === null) return;
    if (text === '') socket.resetAndDestroy();
    else socket.write(text, () => (end === 'close' ? socket.end() : socket.resetAndDestroy()));
  };
}

function first(then: SinkAnswer): SinkAnswer {
  return (response, nth) => (nth === 1 ? then : ACCEPTED)(response, nth);
}

const chunkedEmpty: SinkAnswer = (response) => {
  response.writeHead(202, { 'transfer-encoding': 'chunked' }).end();
};
const HALF = 'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"type":';
const refusal = (status: number): SinkAnswer => answer(status, JSON_BODY, '{"code":"x"}');

const ANSWERS: Readonly<Record<string, SinkAnswer>> = {
  '202_empty_cl0': answer(202),
  '202_empty_cl0_ctjson': answer(202, JSON_BODY),
  '202_chunked_empty': chunkedEmpty,
  '202_chunked_empty_ctjson': (response, nth) => {
    response.setHeader('content-type', 'application/json');
    chunkedEmpty(response, nth);
  },
  '202_raw_close_nolength': raw('HTTP/1.1 202 Accepted\r\n\r\n', 'close'),
  '202_json_obj': answer(202, JSON_BODY, '{}'),
  '202_json_unknown_fields': answer(202, JSON_BODY, '{"a":1}'),
  '202_json_echo': answer(202, JSON_BODY, '{"type":"customScripts","jobId":"1"}'),
  '202_json_null': answer(202, JSON_BODY, 'null'),
  '202_json_array': answer(202, JSON_BODY, '[]'),
  '202_json_malformed': answer(202, JSON_BODY, '{"type":'),
  '202_text': answer(202, { 'content-type': 'text/plain' }, 'ok'),
  '202_json_noct': answer(202, {}, '{}'),
  '202_json_300k': answer(202, JSON_BODY, JSON.stringify({ a: 'x'.repeat(300_000) })),
  '200_empty': answer(200),
  '200_json': answer(200, JSON_BODY, '{}'),
  '201_empty': answer(201),
  '204': answer(204),
  '302': answer(302, { location: '/elsewhere' }),
  '307': answer(307, { location: '/elsewhere' }),
  '400_json': refusal(400),
  '401_json': refusal(401),
  '403_json': refusal(403),
  '404_json': refusal(404),
  '409_json': refusal(409),
  '413_json': refusal(413),
  '422_json': refusal(422),
  '429_json': refusal(429),
  '500_json': refusal(500),
  '502_json': refusal(502),
  '504_json': refusal(504),
  '429_retryafter': answer(429, { 'retry-after': '1' }),
  delay_5s_202: after(20, ACCEPTED),
  delay_30s_202: after(RESEND_AFTER_MS + 20, ACCEPTED),
  '503_empty': first(answer(503)),
  '503_retryafter5': first(answer(503, { 'retry-after': '1' })),
  reset_before_response: first(raw('', 'reset')),
  midbody_reset: raw(HALF, 'reset'),
  midbody_close: raw(HALF, 'close'),
  delay_61s_202: first(after(ANSWER_TIMEOUT_MS + 50, ACCEPTED)),
};

const table = readAnswerTable();

test('every recorded answer is tried', () => {
  expect(Object.keys(table).filter((name) => !(name in ANSWERS))).toEqual(['connection_refused']);
});

describe('an answer to a dispatch POST', () => {
  afterEach(() => bench.close());

  test.for(Object.entries(ANSWERS))('%s does what was recorded', async ([name, respond]) => {
    const answerTimeoutMs = name === 'delay_61s_202' ? ANSWER_TIMEOUT_MS : 5000;
    bench = await startTerrakubeBench({ resendAfterMs: RESEND_AFTER_MS, answerTimeoutMs });
    bench.sink.answerWith(respond);
    const { jobId } = bench.terrakube.createJob({ steps: HELLO });
    const recorded = table[name];
    await bench.untilStatus(jobId, recorded?.job ?? '');
    const { status: job, output, steps } = bench.terrakube.job(jobId);
    const [step] = steps;
    expect({ job, step: step?.status, stepName: step?.name, sends: bench.sink.received.length, output }).toEqual({
      ...recorded,
      stepName: recorded?.stepName.replace('127.0.0.1:58090', new URL(bench.sink.url).host),
    });
    const ids = bench.sink.received.map(({ body }) => body.stepId);
    expect(new Set(ids)).toEqual(new Set([step?.stepId]));
  });

  test('that never comes because nobody listens is waited for', async () => {
    const gone = await startDispatchSink();
    await gone.close();
    bench = await startTerrakubeBench({ executorUrl: gone.url, resendAfterMs: RESEND_AFTER_MS });
    const { jobId } = bench.terrakube.createJob({ steps: HELLO });
    await expect.poll(() => bench.events.map(({ status }) => status)).toContain('unavailable');
    expect(bench.terrakube.job(jobId)).toMatchObject({ status: 'pending', steps: [{ status: 'pending' }] });
    bench.terrakube.setExecutorUrl(bench.sink.url);
    await bench.untilStatus(jobId, 'queue');
    expect(bench.sink.received).toHaveLength(1);
  });

  test('of 503 is followed by the same body after the wait, and a missing one at once', async () => {
    bench = await startTerrakubeBench({ resendAfterMs: 3000, answerTimeoutMs: 150 });
    bench.sink.answerWith((response, nth) => {
      if (nth === 1) answer(503)(response, nth);
      if (nth >= 3) ACCEPTED(response, nth);
    });
    const { jobId } = bench.terrakube.createJob({ steps: HELLO });
    await bench.untilStatus(jobId, 'queue');
    const posts = bench.sink.received;
    const [toSecond = 0, toThird = 0] = posts.slice(1).map(({ atMs }, index) => atMs - (posts[index]?.atMs ?? 0));
    expect(toSecond).toBeGreaterThan(2800);
    expect(toThird).toBeGreaterThanOrEqual(140);
    expect(toThird).toBeLessThan(2800);
    expect(posts.map(({ text }) => text)).toEqual(Array.from({ length: 3 }, () => posts[0]?.text));
  });
});
