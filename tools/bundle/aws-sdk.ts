// The AWS SDK in the bundles. What only some invocations need is in a second file, aws.cjs, that is loaded on demand:
// inside the main file it would be parsed at every cold start. The SDK's chain of credential providers is left out, since
// Lambda puts the role's keys into the environment and the clients are given them.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Plugin } from 'esbuild';
import { withoutUnusedMembers } from './unused-members.ts';

/** Name of the second file, as the main file requires it. */
export const AWS_FILE = './aws.cjs';

/** Sends every dynamic import from lib/clients/aws to the second file. @param found is filled with the modules that it needs. */
export function awsInSecondFile(found: Set<string>): Plugin {
  return {
    name: 'aws-in-second-file',
    setup(build) {
      build.onResolve({ filter: /\/aws\/[\w-]+\.ts$/ }, ({ kind, path: name, resolveDir }) => {
        if (kind !== 'dynamic-import') return undefined;
        found.add(path.resolve(resolveDir, name));
        return { path: AWS_FILE, external: true };
      });
    },
  };
}

/** What a bundle is. */
export interface BundleKind {
  /** Whether it holds one of the SDK's clients; else it holds the signer alone. */
  readonly hasClients: boolean;
  /** Whether it is a function's main file. */
  readonly isMain: boolean;
}

/** Modules of the SDK and of Powertools that Lambda functions never reach, each with what stands in for it. */
const UNREACHED: readonly {
  readonly module: RegExp;
  readonly contents: string;
  readonly why: string;
  /** Bundles that have it: the signer alone does not reach what the SDK's clients do, and Powertools is in main files only. */
  readonly isIn: (bundle: BundleKind) => boolean;
}[] = [
  {
    module: /@aws-sdk[\\/]credential-provider-node[\\/]/,
    contents:
      'export const defaultProvider = () => async () => { throw new Error("no credentials were given to this client"); };',
    why: 'files, SSO, container and instance metadata: Lambda gives the keys in the environment',
    isIn: ({ hasClients }) => hasClients,
  },
  {
    module: /@smithy[\\/]core[\\/]dist-es[\\/]submodules[\\/]event-streams[\\/]index\.js$/,
    contents: 'export const EventStreamSerde = undefined, eventStreamSerdeProvider = undefined;',
    // A bundle of the signer alone never reaches it either, but it is met there by a dynamic import: esbuild would wrap
    // every module that it shares with the signer, and keep them whole.
    why: 'streams of events: none of our calls has one',
    isIn: () => true,
  },
  {
    module: /@smithy[\\/]core[\\/]dist-es[\\/]submodules[\\/]serde[\\/]uuid[\\/]v4\.js$/,
    contents: 'export const bindV4 = () => undefined;',
    why: 'keys against repeated calls: the signer calls nobody',
    isIn: ({ hasClients }) => !hasClients,
  },
  {
    module: /@smithy[\\/]core[\\/]dist-es[\\/]submodules[\\/]serde[\\/]util-base64[\\/](?:from|to)Base64\.js$/,
    contents: 'export const fromBase64 = undefined, toBase64 = undefined;',
    why: 'base64, for blobs in answers: the signer has none',
    isIn: ({ hasClients }) => !hasClients,
  },
  {
    module:
      /@smithy[\\/]core[\\/]dist-es[\\/]submodules[\\/]serde[\\/]util-stream[\\/]blob[\\/]Uint8ArrayBlobAdapter\.js$/,
    contents: 'export const bindUint8ArrayBlobAdapter = () => Object;',
    why: 'blobs in answers: the signer has none',
    isIn: ({ hasClients }) => !hasClients,
  },
  {
    module: /@smithy[\\/]core[\\/]dist-es[\\/]submodules[\\/]checksum[\\/](?:sha256[\\/]Sha256Js|md5[\\/]Md5Js)\.js$/,
    contents: 'export const Sha256Js = undefined, Md5Js = undefined;',
    why: 'hashes in JavaScript, for a Node without node:crypto',
    isIn: () => true,
  },
  {
    module: /@smithy[\\/]signature-v4[\\/]dist-es[\\/]HeaderFormatter\.js$/,
    contents: 'export class HeaderFormatter {}',
    why: 'signatures of messages in a stream of events',
    isIn: () => true,
  },
  {
    module: /@aws-lambda-powertools[\\/]logger[\\/]lib[\\/]esm[\\/]logBuffer\.js$/,
    contents: 'export class SizedItem {} export class SizedSet extends Set {} export class CircularMap extends Map {}',
    why: 'a buffer of log lines, which nobody switches on',
    isIn: ({ isMain }) => isMain,
  },
  {
    module: /@aws-lambda-powertools[\\/]commons[\\/]lib[\\/]esm[\\/]deepMerge\.js$/,
    contents: `export const deepMerge = (target, ...sources) => {
      for (const source of sources) for (const key in source) target[key] = source[key] ?? target[key];
      return target;
    };`,
    why: 'objects and lists as fields of a log line: ours are texts and numbers',
    isIn: ({ isMain }) => isMain,
  },
  {
    module: /@aws[\\/]lambda-invoke-store[\\/]dist-es[\\/]invoke-store\.js$/,
    contents: 'globalThis.awslambda ??= {};',
    why: 'what belongs to one of several invocations at a time: Powertools does without it where a sandbox has one',
    isIn: ({ isMain, hasClients }) => isMain && !hasClients,
  },
];

/** Replaces {@link UNREACHED} modules. It is an error when one of them is not met: then a package's layout has changed. */
export function withoutUnreachedModules(bundle: BundleKind): Plugin {
  const unreached = UNREACHED.filter(({ isIn }) => isIn(bundle));
  const met = new Set<RegExp>();
  return {
    name: 'without-unreached-modules',
    setup(build) {
      for (const { module, contents } of unreached) {
        build.onLoad({ filter: module }, () => {
          met.add(module);
          return { contents, loader: 'js' };
        });
      }
      // The clients take only their version from it, and esbuild cannot see that in a default import.
      build.onLoad({ filter: /@aws-sdk[\\/]client-[\w-]+[\\/]package\.json$/ }, ({ path: file }) => {
        const { version }: { version?: unknown } = JSON.parse(readFileSync(file, 'utf8'));
        return { contents: JSON.stringify({ version }), loader: 'json' };
      });
      build.onEnd(() => {
        const missed = unreached.filter(({ module }) => !met.has(module));
        return { errors: missed.map(({ module }) => ({ text: `no package has module ${module} any more` })) };
      });
    },
  };
}

/** Drops from the signer, where nothing else uses it, what signs other things than the URL in an EKS token. */
export function trimSigner(root: string): Plugin {
  const signer = 'signature-v4/dist-es';
  const helpers = ['prepareRequest', 'moveHeadersToQuery'].map((name) => `node_modules/@smithy/${signer}/${name}.js`);
  return withoutUnusedMembers(root, {
    name: 'trim-signer',
    folder: 'node_modules/@smithy',
    files: [
      `${signer}/SignatureV4.js`,
      `${signer}/SignatureV4Base.js`,
      'core/dist-es/submodules/transport/httpRequest.js',
    ],
    callers: ['lib/clients/eks-token.ts', ...helpers].map((file) => readFileSync(path.join(root, file), 'utf8')),
  });
}
