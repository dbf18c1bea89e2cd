// The AWS SDK in the bundles. What only some invocations need is in a second file, aws.cjs, that is loaded on demand:
// inside the main file it would be parsed at every cold start. The SDK's chain of credential providers is left out, since
// Lambda puts the role's keys into the environment and the clients are given them.
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

/** Replaces the SDK's default chain (files, SSO, container, instance metadata) by an error that says what to do. */
export function withoutCredentialChain(): Plugin {
  const contents =
    'export const defaultProvider = () => async () => { throw new Error("no credentials were given to this client"); };';
  return {
    name: 'without-credential-chain',
    setup(build) {
      build.onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, ({ path: name }) => ({
        path: name,
        namespace: 'no-chain',
        sideEffects: false,
      }));
      build.onLoad({ filter: /.*/, namespace: 'no-chain' }, () => ({ contents, loader: 'js' }));
    },
  };
}
