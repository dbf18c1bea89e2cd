// What `npm run package` makes: zips that Lambda can load, the list of what is in them, and checksums that fit.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildFunctions } from '../../tools/build.ts';
import { type PackagedFile, packageFunctions } from '../../tools/package.ts';

const FUNCTIONS = ['dispatch', 'intake', 'job-status', 'reconcile'];
const root = path.resolve(import.meta.dirname, '../..');
const { version } = readJson('package.json');
/** What the functions ask for when they are loaded. */
const settings = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'example',
  QueueUrl: 'https://sqs.eu-central-1.amazonaws.com/123456789012/jobs',
  DeadLetterQueueUrl: 'https://sqs.eu-central-1.amazonaws.com/123456789012/dead',
  TerrakubeApiUrl: 'https://terrakube.example.com',
  InternalSecretId: 'internal',
  EksClusterName: 'main',
};

let files: readonly PackagedFile[];
beforeAll(async () => {
  files = packageFunctions(await buildFunctions());
});

describe('a release', () => {
  test('is a zip for each function, the list of what is in them, and checksums', () => {
    expect(files.map(({ name }) => name)).toEqual([
      ...FUNCTIONS.map((name) => `${name}-${version}.zip`),
      `terrakube-dispatcher-${version}.cdx.json`,
      'SHA256SUMS',
    ]);
  });

  test('is the same, byte for byte, when it is made again in another time zone', async () => {
    const zone = process.env['TZ'];
    process.env['TZ'] = 'Pacific/Kiritimati';
    try {
      const again = packageFunctions(await buildFunctions());
      expect(again.map(({ name, sha256 }) => [name, sha256])).toEqual(files.map(({ name, sha256 }) => [name, sha256]));
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
  });

  test('has the checksums that sha256sum finds', () => {
    const folder = writeAll();
    expect(execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder, encoding: 'utf8' })).toBe(
      files
        .slice(0, -1)
        .map(({ name }) => `${name}: OK\n`)
        .join(''),
    );
  });
});

test('the changelog has a section for this version', () => {
  expect(readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8')).toContain(`\n## [${version}]\n`);
});

describe.each(FUNCTIONS)('the zip of %s', (name) => {
  const unpacked = (): Record<string, Uint8Array> => unzipSync(contentOf(`${name}-${version}.zip`));

  test('holds the bundle without its source map, readable for everybody', () => {
    const zip = contentOf(`${name}-${version}.zip`);
    expect(Object.keys(unpacked())).toEqual(['aws.cjs', 'index.cjs']);
    expect(modesIn(zip)).toEqual(['644', '644']);
  });

  test('has a handler that loads', () => {
    const folder = temporaryFolder();
    for (const [file, content] of Object.entries(unpacked())) writeFileSync(path.join(folder, file), content);
    const script = "process.stdout.write(typeof require('./index.cjs').handler)";
    const answer = execFileSync(process.execPath, ['-e', script], { cwd: folder, env: settings, encoding: 'utf8' });
    expect(answer).toBe('function');
  });
});

describe('the list of what is in the bundles', () => {
  test('is a CycloneDX 1.6 document', () => {
    const ajv = new Ajv({ strict: false, formats: { 'idn-email': true, 'iri-reference': true } });
    addFormats.default(ajv);
    for (const other of ['spdx', 'jsf-0.82'])
      ajv.addSchema(readSchema(other), `http://cyclonedx.org/schema/${other}.SNAPSHOT.schema.json`);
    const isValid = ajv.compile(readSchema('bom-1.6'));

    expect([isValid(sbom()), isValid.errors]).toEqual([true, null]);
    expect(isValid({ ...sbom(), components: [{ type: 'library' }] })).toBe(false);
  });

  test('names the packages of each function, and what is only a tool in none', async () => {
    const built = await buildFunctions();
    for (const name of FUNCTIONS) {
      const packages = new Set(built.get(name)?.flatMap((file) => file.packages));
      expect(dependenciesOf(`terrakube-dispatcher-${name}@${version}`)).toEqual([...packages].sort());
    }
    const libraries = sbom()
      .components.filter(({ type }) => type === 'library')
      .map(({ name }) => name);
    expect(libraries).toContain('@middy/core');
    for (const tool of ['esbuild', 'vitest', 'yaml', 'fflate']) expect(libraries).not.toContain(tool);
  });

  test('has for every package its version, its licence, its address and the checksum of the lock file', () => {
    const lock = readJson('package-lock.json').packages;
    const jose = sbom().components.find(({ name }) => name === 'jose');
    const sha512 = Buffer.from(lock['node_modules/jose'].integrity.slice('sha512-'.length), 'base64').toString('hex');
    expect(jose).toEqual({
      type: 'library',
      name: 'jose',
      version: lock['node_modules/jose'].version,
      'bom-ref': `jose@${lock['node_modules/jose'].version}`,
      hashes: [{ alg: 'SHA-512', content: sha512 }],
      licenses: [{ license: { id: 'MIT' } }],
      purl: `pkg:npm/jose@${lock['node_modules/jose'].version}`,
    });
    for (const { type, hashes, purl } of sbom().components) {
      expect([type, hashes.length, purl !== undefined]).toEqual([type, 1, type === 'library']);
    }
  });

  test('says what these need of each other', () => {
    expect(dependenciesOf(refOf('@smithy/signature-v4'))).toContain('@smithy/core');
  });
});

interface Listed {
  readonly type: string;
  readonly name: string;
  readonly 'bom-ref': string;
  readonly hashes: readonly unknown[];
  readonly purl?: string;
}

interface Sbom {
  readonly components: readonly Listed[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

function sbom(): Sbom {
  return JSON.parse(Buffer.from(contentOf(`terrakube-dispatcher-${version}.cdx.json`)).toString());
}

function dependenciesOf(ref: string): readonly string[] {
  const { dependsOn = [] } = sbom().dependencies.find((one) => one.ref === ref) ?? {};
  return dependsOn.map((other) => other.replace(/@[^@]+$/, '')).sort();
}

const refOf = (wanted: string): string => sbom().components.find(({ name }) => name === wanted)?.['bom-ref'] ?? '';

function contentOf(wanted: string): Uint8Array {
  return files.find(({ name }) => name === wanted)?.content ?? new Uint8Array();
}

/** The Unix modes of a zip's entries, from its central directory. */
function modesIn(zip: Uint8Array): readonly string[] {
  const text = Buffer.from(zip);
  const modes: string[] = [];
  for (let at = text.indexOf('PK\u0001\u0002'); at >= 0; at = text.indexOf('PK\u0001\u0002', at + 4)) {
    modes.push((text.readUInt32LE(at + 38) >>> 16).toString(8));
  }
  return modes;
}

const temporary: string[] = [];
function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'package-'));
  temporary.push(folder);
  return folder;
}
afterAll(() => {
  for (const folder of temporary) rmSync(folder, { recursive: true });
});

function writeAll(): string {
  const folder = temporaryFolder();
  for (const { name, content } of files) writeFileSync(path.join(folder, name), content);
  return folder;
}

function readJson(file: string) {
  return JSON.parse(readFileSync(path.join(root, file), 'utf8'));
}

function readSchema(name: string) {
  return readJson(`node_modules/@cyclonedx/cyclonedx-library/res/schema/${name}.SNAPSHOT.schema.json`);
}
