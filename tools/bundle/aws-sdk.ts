// The AWS SDK in the bundles. What only some invocations need is in a second file, aws.cjs, that is loaded on demand:
// inside the main file it would be parsed at every cold start. The SDK's chain of credential providers is left out, since
// Lambda puts the role's keys into the environment and the clients are given them.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Plugin } from 'esbuild';

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

/** Modules of the SDK and of Powertools that Lambda functions never reach, each with what stands in for it. */
const UNREACHED: readonly {
  readonly module: RegExp;
  readonly contents: string;
  readonly why: string;
  /** Only the SDK's clients reach it; the signer alone does not. */
  readonly ofClients: boolean;
  /** Only the main file reaches it. */
  readonly isOfMain?: boolean;
}[] = [
  {
    module: /@aws-sdk[\\/]credential-provider-node[\\/]/,
    contents:
      'export const defaultProvider = () => async () => { throw new Error("no credentials were given to this client"); };',
    why: 'files, SSO, container and instance metadata: Lambda gives the keys in the environment',
    ofClients: true,
  },
  {
    module: /@smithy[\\/]core[\\/]dist-es[\\/]submodules[\\/]event-streams[\\/]index\.js$/,
    contents: 'export const EventStreamSerde = undefined, eventStreamSerdeProvider = undefined;',
    why: 'streams of events: none of our calls has one',
    ofClients: true,
  },
  {
    module: /@smithy[\\/]core[\\/]dist-es[\\/]submodules[\\/]checksum[\\/](?:sha256[\\/]Sha256Js|md5[\\/]Md5Js)\.js$/,
    contents: 'export const Sha256Js = undefined, Md5Js = undefined;',
    why: 'hashes in JavaScript, for a Node without node:crypto',
    ofClients: false,
  },
  {
    module: /@smithy[\\/]signature-v4[\\/]dist-es[\\/]HeaderFormatter\.js$/,
    contents: 'export class HeaderFormatter {}',
    why: 'signatures of messages in a stream of events',
    ofClients: false,
  },
  {
    module: /@aws-lambda-powertools[\\/]logger[\\/]lib[\\/]esm[\\/]logBuffer\.js$/,
    contents: 'export class SizedItem {} export class SizedSet extends Set {} export class CircularMap extends Map {}',
    why: 'a buffer of log lines, which nobody switches on',
    ofClients: false,
    isOfMain: true,
  },
];

/**
 * Replaces {@link UNREACHED} modules. It is an error when one of them is not met: then the SDK's layout has changed.
 *
 * @param hasClients whether the bundle holds one of the SDK's clients; else it holds the signer alone.
 * @param isMain whether it is a function's main file.
 */
export function withoutUnreachedModules(hasClients: boolean, isMain = true): Plugin {
  const met = new Set<RegExp>();
  return {
    name: 'without-unreached-modules',
    setup(build) {
      for (const { module, contents } of UNREACHED) {
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
        const missed = UNREACHED.filter(
          ({ module, ofClients, isOfMain = false }) =>
            (hasClients || !ofClients) && (isMain || !isOfMain) && !met.has(module),
        );
        return { errors: missed.map(({ module }) => ({ text: `no package has module ${module} any more` })) };
      });
    },
  };
}
