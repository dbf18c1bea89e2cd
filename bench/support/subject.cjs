// One measured process: it loads a bundle as Lambda's runtime client does and lets its handler work. Plain CommonJS, run by
// node itself, so that nothing but the bundle counts. What it found goes to file descriptor 3, one JSON object a line.
//   node subject.cjs BUNDLE MODE EVENT-FILE [COUNT [BATCH [WARM-UP]]]     MODE: import | first | warm | long
const fs = require('node:fs');
// What the runtime client has loaded before any handler.
for (const name of ['http', 'net', 'util', 'path', 'assert']) require(`node:${name}`);

const [, , bundle, mode, eventFile, count = '1', batch = '1', warmUp = '0'] = process.argv;
const say = (found) => fs.writeSync(3, `${JSON.stringify(found)}\n`);
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const MB = 2 ** 20;
/** The peak of this program; what resourceUsage() says is at least that of the process that started it. */
const peakMb = () => {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS / 1024;
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
};
const record = mode === 'import' ? '' : fs.readFileSync(eventFile, 'utf8');
let number = 1000;
/** An event of so many messages, each of another Terrakube job. */
const nextEvent = (size) => {
  const records = Array.from({ length: size }, () => record.replaceAll('@JOB@', String(++number)));
  return JSON.parse(`{"Records":[${records.join()}]}`);
};
const context = { awsRequestId: 'bench', functionName: 'bench' };

async function main() {
  const first = mode === 'first' ? nextEvent(1) : undefined;
  const [at, cpu] = [performance.now(), cpuMs()];
  const { handler } = require(bundle);
  const [loadedAt, loadedCpu] = [performance.now(), cpuMs()];
  const found = { importMs: loadedAt - at, importCpuMs: loadedCpu - cpu };
  if (mode === 'warm') return warm(handler);
  if (mode === 'long') return long(handler);
  if (first !== undefined) {
    check(await handler(first, context));
    Object.assign(found, { firstMs: performance.now() - loadedAt, firstCpuMs: cpuMs() - loadedCpu });
  }
  say({ ...found, processCpuMs: cpuMs(), peakMb: peakMb() });
}

/** Nothing that failed is measured. */
function check(answer) {
  if (answer?.batchItemFailures?.length === 0) return;
  throw new Error(`the handler answered ${JSON.stringify(answer)}`);
}

async function warm(handler) {
  for (let run = 0; run < Number(warmUp); run += 1) check(await handler(nextEvent(Number(batch)), context));
  const events = Array.from({ length: Number(count) }, () => nextEvent(Number(batch)));
  const wallMs = [];
  global.gc?.();
  const cpu = cpuMs();
  for (const event of events) {
    const at = performance.now();
    check(await handler(event, context));
    wallMs.push(performance.now() - at);
  }
  say({ wallMs, cpuMs: (cpuMs() - cpu) / (events.length * Number(batch)) });
}

/** Memory after garbage collection, twenty times. */
async function long(handler) {
  const rounds = Math.ceil(Number(count) / Number(batch));
  const every = Math.max(1, Math.floor(rounds / 20));
  for (let run = 0; run < rounds; run += 1) {
    check(await handler(nextEvent(Number(batch)), context));
    if ((run + 1) % every !== 0) continue;
    global.gc();
    const { heapUsed, rss, external } = process.memoryUsage();
    say({ dispatches: (run + 1) * Number(batch), heapMb: heapUsed / MB, externalMb: external / MB, rssMb: rss / MB });
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
