/**
 * The demo executor: a stand-in for Terrakube's executor container in batch mode. It reads its payload, reports to Terrakube and
 * ends like the real one, but runs no Terraform.
 *
 * Exit codes, as the real one's: 0 once it has tried (also when Terrakube could not be reached), 1 when it cannot start, 143
 * after SIGTERM. Without a payload it waits for ever.
 *
 * `DEMO_WORK_MS` says how long its work takes (300), `DEMO_BOOT_MS` how long it starts (0), and `DEMO_BOOT_HEEDS_MS` for how much
 * of that SIGTERM ends it at once (a third). `DEMO_LAST_WORDS_MS` is the time between SIGTERM and its report, for which the real
 * one takes two seconds (0).
 */

import { boot, TERMINATED } from './executor/boot.ts';
import { parsePayload } from './executor/payload.ts';
import { runStep } from './executor/run-step.ts';
import { readSettings } from './executor/settings.ts';
import { createTerrakubeClient } from './executor/terrakube-client.ts';

const defaultWorkMs = 300;

function log(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Alive, idle and without a word to Terrakube, as the real executor when it has nothing that it can run. */
function hang(why: string): Promise<never> {
  log(`${why} Waiting for nothing.`);
  return new Promise(() => setInterval(() => undefined, 60_000));
}

async function main(): Promise<number> {
  const settings = readSettings(process.env);
  const required = (name: string): string => {
    const value = settings(name);
    if (value === undefined) throw new Error(`${name} is not set.`);
    return value;
  };
  if (settings('EphemeralFlagBatch') !== 'true') throw new Error('EphemeralFlagBatch is not true.');
  const apiUrl = required('AzBuilderApiUrl');
  const internalSecret = required('InternalSecret');
  const data = settings('EphemeralJobData') ?? '';
  if (data === '') return hang('EphemeralJobData is empty.');
  const payload = parsePayload(data);
  if (payload === undefined) return hang('EphemeralJobData holds no payload.');

  const bootMs = Number(settings('DEMO_BOOT_MS') ?? 0);
  const heedsStopMs = Number(settings('DEMO_BOOT_HEEDS_MS') ?? bootMs / 3);
  const wasToldToStop = bootMs > 0 && (await boot({ bootMs, heedsStopMs, exit: (code) => process.exit(code), log }));
  const stop = new AbortController();
  process.on('SIGTERM', () => {
    if (!wasToldToStop) setTimeout(() => stop.abort(), Number(settings('DEMO_LAST_WORDS_MS') ?? 0));
  });
  const { organizationId, jobId, stepId } = payload;
  const path = `/tfoutput/v1/organization/${organizationId}/job/${jobId}/step/${stepId}`;
  log(`Running ${payload.type}: job ${jobId}, step ${stepId}.`);
  await runStep({
    client: createTerrakubeClient({ apiUrl, internalSecret, payload }),
    payload,
    outputUrl: `${settings('TerrakubeApiUrl') ?? apiUrl}${path}`,
    workMs: Number(settings('DEMO_WORK_MS') ?? defaultWorkMs),
    stop: stop.signal,
    log,
  });
  return stop.signal.aborted || wasToldToStop ? TERMINATED : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
