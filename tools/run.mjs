// Every package script starts here, on whatever Node the machine has (18 or newer): it installs what is missing and then
// spawns the Node that the project brings along (24, as on Lambda). It spawns instead of chaining commands because a shell
// that already looked up `node` goes on with the old one.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(root, 'node_modules');
const installed = path.join(modules, '.installed-lock-sha256');
const bin = (name) => path.join(modules, name);
// Biome colours each character, also into a file: a log of that cannot be read.
const plain = process.stdout.isTTY ? [] : ['--colors=off'];

/** Each command is a list of steps; each step is a list of arguments for Node. The user's own arguments go to the last step. */
const commands = {
  start: [['local/start.ts']],
  test: [[bin('vitest/vitest.mjs'), 'run']],
  'test:cluster': [
    ['tools/build-control-plane.ts'],
    [bin('vitest/vitest.mjs'), 'run', '--config', 'vitest.cluster.config.ts'],
  ],
  check: [
    [bin('@biomejs/biome/bin/biome'), 'ci', '--error-on-warnings', ...plain],
    [bin('typescript/bin/tsc'), '--noEmit'],
    [bin('knip/bin/knip.js')],
  ],
  build: [['tools/build.ts']],
  package: [['tools/package.ts']],
  cli: [['cli/main.ts']],
  bench: [['bench/all.ts']],
  'bench:post-to-job': [['bench/post-to-job.ts']],
  'bench:dispatch-rate': [['bench/dispatch-rate.ts']],
  'bench:status': [['bench/status-to-terrakube.ts']],
  'bench:reconcile': [['bench/reconcile.ts']],
  'bench:cost': [['bench/cost.ts']],
  'bench:keep-alive': [['bench/keep-alive.ts']],
  format: [[bin('@biomejs/biome/bin/biome'), 'check', '--write']],
};

async function main([name = '', ...args]) {
  const steps = commands[name];
  if (!steps) {
    console.error(`Unknown command "${name}". Use one of: ${Object.keys(commands).join(', ')}.`);
    return 2;
  }
  const lock = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  if (!existsSync(installed) || readFileSync(installed, 'utf8') !== lock) {
    const code = await install();
    if (code !== 0) return code;
    writeFileSync(installed, lock);
  }
  const node = projectNode();
  if (!node) {
    console.error(
      `This needs Node.js 24 or newer (this is ${process.version}), and there is no packaged one for ${process.platform}-${process.arch}. Install it from nodejs.org and try again.`,
    );
    return 1;
  }
  for (const [index, step] of steps.entries()) {
    const code = await run(node, index === steps.length - 1 ? [...step, ...args] : step);
    if (code !== 0) return code;
  }
  return 0;
}

function install() {
  const startedAt = Date.now();
  const report = () =>
    process.stderr.write(
      `Installing dependencies (once, about a minute) … ${Math.round((Date.now() - startedAt) / 1000)} s\n`,
    );
  report();
  const ticker = setInterval(report, 10_000);
  // Standard input belongs to the command that follows, and standard output to its answer.
  return run('npm', ['ci', '--loglevel=error'], ['ignore', process.stderr, process.stderr]).finally(() =>
    clearInterval(ticker),
  );
}

/** The Node that came with the dependencies, else this one when it is new enough. */
function projectNode() {
  const packaged = path.join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(packaged)) return packaged;
  return Number(process.versions.node.split('.')[0]) >= 24 ? process.execPath : undefined;
}

function run(command, args, stdio = 'inherit') {
  const PATH = [path.dirname(command), path.join(modules, '.bin'), process.env.PATH].join(path.delimiter);
  const child = spawn(command, args, { cwd: root, stdio, env: { ...process.env, PATH } });
  // A terminal sends Ctrl-C to both; a plain `kill` of this process must reach the child too.
  const forward = (signal) => child.kill(signal);
  process.on('SIGTERM', forward).on('SIGINT', forward);
  // npm does not pass on a plain `kill`: when it is gone, nobody waits for the child any more.
  const parent = process.ppid;
  const orphaned = setInterval(() => process.ppid === parent || child.kill('SIGTERM'), 500);
  return new Promise((resolve) => {
    const done = (code) => {
      clearInterval(orphaned);
      process.off('SIGTERM', forward).off('SIGINT', forward);
      resolve(code);
    };
    child.on('error', (error) => {
      console.error(`Cannot run ${command}: ${error.message}`);
      done(1);
    });
    child.on('exit', (code, signal) => done(signal ? 1 : (code ?? 1)));
  });
}

process.exitCode = await main(process.argv.slice(2));
