// How many dispatch POSTs a second intake takes, with 1, 10 and 100 senders at once, on the local stack: the built function
// in Lambda's own runtime client behind the stand-in of the REST API, and a queue on the same machine. A sender that is
// answered 503 tries again, as Terrakube does. The baseline is the same front door with a function that only answers.
//   node bench/intake-rate.ts [--json] [--seconds N]
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DISPATCH_PATH } from '../lib/domain/http.ts';
import { startFrontDoor } from '../local/lambda/front-door.ts';
import { catchDispatch } from '../local/own-dispatch.ts';
import { startStack } from '../local/stack.ts';
import { parseInternalKey, signDispatchToken } from '../local/terrakube/internal-key.ts';
import { buildFunctions } from '../tools/build.ts';
import { quantile } from './support/statistics.ts';

/** What so many senders got. */
export interface IntakeRate {
  readonly senders: number;
  readonly acceptedPerSecond: number;
  /** Of the accepted ones, without the attempts before. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Attempts that were answered 503, because all sandboxes were busy. */
  readonly turnedAway: number;
  readonly otherAnswers: number;
  readonly sandboxes: number;
}

/** The whole result. */
export interface IntakeResult {
  readonly seconds: number;
  readonly rates: readonly IntakeRate[];
  /** One sender and the front door alone. */
  readonly frontDoorPerSecond: number;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' }, seconds: { type: 'string', default: '10' } } });
const seconds = Number(values.seconds);
const TRY_AGAIN_MS = 20;

await buildFunctions();
const stack = await startStack({ pollers: false });
const agent = new Agent({ keepAlive: true });
try {
  const { payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan' }] });
  const key = parseInternalKey(stack.internalSecret);
  const rates: IntakeRate[] = [];
  for (const senders of [1, 10, 100]) {
    process.stderr.write(`intake: ${senders} senders for ${seconds} s\n`);
    rates.push(await measure(senders, async () => sendOne(stack.dispatchUrl, payload, await signDispatchToken(key))));
  }
  const door = await startFrontDoor({ invoke: async () => ({ status: 200, payload: '{"statusCode":202,"body":""}' }) });
  const token = await signDispatchToken(key);
  const alone = await measure(1, () => sendOne(`${door.url}${DISPATCH_PATH}`, payload, token));
  await door.close();
  report({ seconds, rates, frontDoorPerSecond: alone.acceptedPerSecond });
} finally {
  agent.destroy();
  await stack.close();
}

async function measure(senders: number, post: () => Promise<number>): Promise<IntakeRate> {
  const tookMs: number[] = [];
  let [turnedAway, otherAnswers] = [0, 0];
  const send = async (until: number): Promise<void> => {
    while (performance.now() < until) {
      const at = performance.now();
      const status = await post();
      if (status === 202) tookMs.push(performance.now() - at);
      else if (status === 503) {
        turnedAway += 1;
        await pause(TRY_AGAIN_MS);
      } else otherAnswers += 1;
    }
  };
  const during = async (ms: number): Promise<void> => {
    const until = performance.now() + ms;
    await Promise.all(Array.from({ length: senders }, () => send(until)));
  };
  // Sandboxes are started before the clock is.
  await during(Math.min(3000, seconds * 500));
  tookMs.length = 0;
  [turnedAway, otherAnswers] = [0, 0];
  const startedAt = performance.now();
  await during(seconds * 1000);
  return {
    senders,
    acceptedPerSecond: tookMs.length / ((performance.now() - startedAt) / 1000),
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    turnedAway,
    otherAnswers,
    sandboxes: stack.lambda.startedSandboxes('intake'),
  };
}

function sendOne(url: string, payload: Buffer, token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      'content-length': payload.byteLength,
    };
    const call = request(url, { method: 'POST', agent, headers }, (reply) => {
      reply.resume().on('end', () => resolve(reply.statusCode ?? 0));
    });
    call.on('error', reject);
    call.end(payload);
  });
}

function report(result: IntakeResult): void {
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  for (const { senders, acceptedPerSecond, p50Ms, p99Ms, turnedAway, otherAnswers, sandboxes } of result.rates) {
    console.log(
      `${String(senders).padStart(3)} senders: ${acceptedPerSecond.toFixed(0)} a second, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, ${turnedAway} turned away, ${otherAnswers} other answers, ${sandboxes} sandboxes`,
    );
  }
  console.log(`front door alone: ${result.frontDoorPerSecond.toFixed(0)} a second`);
}
