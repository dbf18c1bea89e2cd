// The options of `npm start`: how they are read, which go together, and what a user is told.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseStartOptions, USAGE } from '../../local/start/options.ts';
import { StartRefusal } from '../../local/start/refusal.ts';
import { splitCommand } from '../../local/start/split-command.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const SECRET = 'an-InternalSecret-that-nobody-may-print_0123456789';
const DEFAULTS = {
  json: false,
  watch: false,
  verbose: false,
  cluster: { kind: 'standIn' },
  parameters: {},
};

const folder = mkdtempSync(path.join(tmpdir(), 'start-'));
beforeAll(() => {
  mkdirSync(path.join(folder, 'bin'));
  writeFileSync(path.join(folder, 'bin', 'executor'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(path.join(folder, 'bin', 'plain'), 'text');
  writeFileSync(path.join(folder, 'executor.jar'), 'jar');
});
afterAll(() => rmSync(folder, { recursive: true }));

const parse = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  parseStartOptions(args, { env: { PATH: path.join(folder, 'bin'), ...env }, folder });

function refusalOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): unknown {
  try {
    return parse(args, env);
  } catch (error) {
    if (!(error instanceof StartRefusal)) throw error;
    return { exitCode: error.exitCode, lines: error.message.split('\n') };
  }
}

describe('a command is split', () => {
  test.each([
    ['java -jar /opt/executor.jar', ['java', '-jar', '/opt/executor.jar']],
    ['  a \t b\n', ['a', 'b']],
    [`'/opt/my executor' "two words" c`, ['/opt/my executor', 'two words', 'c']],
    [`-Da="b c"'d e'f`, ['-Da=b cd ef']],
    [`a '' ""`, ['a', '', '']],
    [String.raw`a\ b \"c\' \\`, ['a b', `"c'`, '\\']],
    [String.raw`"a \"b\" \\ \$x \n"`, [String.raw`a "b" \ $x \n`]],
    [String.raw`'a \ "b"'`, [String.raw`a \ "b"`]],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what a shell would expand stays as it is.
    ['$HOME ${x} *.jar ~ `id` | ; &', ['$HOME', '${x}', '*.jar', '~', '`id`', '|', ';', '&']],
    ['', []],
  ])('%j', (command, words) => {
    expect(splitCommand(command)).toEqual(words);
  });

  test.each([
    [`java 'x`, "has a ' that is never closed"],
    [`java "x\\"`, 'has a " that is never closed'],
    ['java \\', 'ends with a backslash'],
  ])('unless it is broken: %j', (command, problem) => {
    expect(splitCommand(command)).toEqual({ problem });
  });
});

describe('options', () => {
  test('are all optional', () => {
    expect(parse([])).toEqual(DEFAULTS);
  });

  test('can be given together', () => {
    const given = parse(
      [
        ...['--json', '--verbose', '--port', '8080', '--host', '192.0.2.7', '--kube-context', 'kind-dev'],
        ...['--terrakube-url', 'https://terrakube.example.com/base', '--executor', 'executor "a b"'],
      ],
      { InternalSecret: SECRET, ExecutorEphemeralNamespace: 'ci', ExecutorEphemeralSecret: '', Other: 'x' },
    );
    expect(given).toEqual({
      ...DEFAULTS,
      json: true,
      verbose: true,
      port: 8080,
      host: '192.0.2.7',
      cluster: { kind: 'context', name: 'kind-dev' },
      terrakube: { url: 'https://terrakube.example.com/base', internalSecret: SECRET },
      executor: ['executor', 'a b'],
      parameters: { ExecutorEphemeralNamespace: 'ci', ExecutorEphemeralSecret: '' },
    });
  });

  test('--executor takes a program by its absolute path', () => {
    const program = path.join(folder, 'bin', 'executor');
    expect(parse(['--executor', `${program} -x`])).toEqual({ ...DEFAULTS, executor: [program, '-x'] });
  });

  test('the demo on stand-ins takes no parameter from the environment', () => {
    const env = { ExecutorEphemeralNamespace: 'ci' };
    expect(parse([], env)).toEqual(DEFAULTS);
    expect(parse(['--control-plane'], env)).toEqual({ ...DEFAULTS, cluster: { kind: 'controlPlane' } });
  });

  test('--help is a question, whatever stands beside it', () => {
    expect(parse(['--help', '--port', 'x'])).toBe('help');
    const names = ['control-plane', 'kube-context', 'terrakube-url', 'host', 'executor', 'port', 'json'];
    expect(names.filter((name) => !USAGE.includes(`--${name}`))).toEqual([]);
  });
});

describe('a refusal names what mends it', () => {
  const url = ['--terrakube-url', 'http://terrakube.example.com'];
  test.each([
    ['a port out of range', ['--port', '70000'], '--port must be a number from 1 to 65535.'],
    [
      'two clusters',
      ['--control-plane', '--kube-context', 'dev'],
      '--control-plane and --kube-context are two clusters: leave one of them out.',
    ],
    [
      'a context without a name',
      ['--kube-context', ''],
      '--kube-context needs the name of a context: kubectl config get-contexts',
    ],
    [
      'a host without a Terrakube',
      ['--host', '192.0.2.7'],
      '--host is for a Terrakube on another machine: add --terrakube-url URL, or leave --host out.',
    ],
    [
      'a host that is none',
      ['--host', 'http://x', ...url],
      '--host must be an address or a name of this machine, such as 192.0.2.7.',
    ],
    ['no command', ['--executor', ' '], '--executor needs a command, such as "java -jar /opt/executor.jar".'],
    ['an open quote', ['--executor', `executor 'x`], "--executor has a ' that is never closed."],
    ['a program that is not there', ['--executor', 'jawa -jar x'], '--executor: there is no program jawa in PATH.'],
    ['a path that is not there', ['--executor', '/no/java x'], '--executor: there is no program /no/java.'],
    ['a file that is no program', ['--executor', 'plain'], '--executor: there is no program plain in PATH.'],
    [
      'a relative program',
      ['--executor', 'bin/executor'],
      `--executor starts in a folder of its own: write ${path.join(folder, 'bin/executor')} instead of bin/executor.`,
    ],
    [
      'a relative file',
      ['--executor', 'executor -jar executor.jar'],
      `--executor starts in a folder of its own: write ${path.join(folder, 'executor.jar')} instead of executor.jar.`,
    ],
  ])('%s', (_, args, message) => {
    expect(refusalOf(args, { InternalSecret: SECRET })).toEqual({ exitCode: 2, lines: [message] });
  });

  test.each([
    'terrakube.example.com',
    'ftp://x',
    'https://u:p@x',
    'https://x?y=1',
    'https://x#y',
    'http://x:99999',
    '',
  ])('the URL "%s"', (wrong) => {
    const message =
      '--terrakube-url must be the base URL of the Terrakube API, such as https://terrakube-api.example.com: http or https, without user, query and fragment.';
    expect(refusalOf(['--terrakube-url', wrong])).toEqual({ exitCode: 2, lines: [message] });
  });

  test('an InternalSecret that is missing, or is none', () => {
    const missing =
      '--terrakube-url needs the environment variable InternalSecret, with the value that the Terrakube API has.';
    expect(refusalOf(url)).toEqual({ exitCode: 2, lines: [missing] });
    expect(refusalOf(url, { InternalSecret: '' })).toEqual({ exitCode: 2, lines: [missing] });
    expect(JSON.stringify(refusalOf(url, { InternalSecret: 'no+base64url' }))).toContain(
      'InternalSecret is not base64url',
    );
  });

  test('another namespace than the one that the local control plane has', () => {
    const env = { InternalSecret: SECRET, ExecutorEphemeralNamespace: 'ci' };
    expect(refusalOf(['--control-plane', ...url], env)).toEqual({
      exitCode: 2,
      lines: ['--control-plane has the namespace terrakube only: unset ExecutorEphemeralNamespace.'],
    });
  });

  test('an option that does not exist', () => {
    expect(JSON.stringify(refusalOf(['--kubecontext', 'x']))).toContain("Unknown option '--kubecontext'");
  });

  test('all of them at once', () => {
    const args = ['--port', '0', '--host', 'x', '--control-plane', '--kube-context', 'y', '--executor', '"'];
    expect(refusalOf(args)).toMatchObject({ exitCode: 2, lines: { length: 4 } });
  });
});

/** Runs the program. None of these runs comes as far as building the functions. */
async function start(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, ['local/start.ts', ...args], { cwd: ROOT, env: { HOME: folder, ...env } });
  const [stdout, stderr, exitCode] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.on('exit', resolve)),
  ]);
  return { exitCode, stdout, stderr };
}

describe('the program', () => {
  test('ends with 2 and points to --help', async () => {
    const env = { InternalSecret: SECRET };
    expect(await start(['--terrakube-url', 'http://x?y', '--host', 'x y'], env)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^--host must .*\n--terrakube-url must .*\nnpm start -- --help lists the options\.\n$/,
      ),
    });
  });

  test('says which contexts there are', async () => {
    const file = path.join(folder, 'kubeconfig');
    const context = (name: string) => ({ name, context: { cluster: 'c', user: 'u' } });
    writeFileSync(file, JSON.stringify({ contexts: [context('dev'), context('kind-ci')] }));
    const { exitCode, stderr } = await start(['--kube-context', 'prod'], { KUBECONFIG: file });
    expect({ exitCode, line: stderr.split('\n')[0] }).toEqual({
      exitCode: 2,
      line: '--kube-context: the kubeconfig has no context prod. It has: dev, kind-ci.',
    });
  });

  test('says that there is no kubeconfig', async () => {
    const { exitCode, stderr } = await start(['--kube-context', 'prod'], {});
    expect({ exitCode, line: stderr.split('\n')[0] }).toEqual({
      exitCode: 2,
      line: '--kube-context: there is no kubeconfig. Set KUBECONFIG to its file, or put it into ~/.kube/config.',
    });
  });
});
