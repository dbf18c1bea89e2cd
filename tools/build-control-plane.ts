// Builds the control plane and the authenticator that `npm run test:cluster` needs, before vitest starts: a build takes
// minutes, and what is missing for it should be told in one sentence.
import { buildAuthenticator, buildControlPlane } from '../local/control-plane/build.ts';

try {
  const programs = await buildControlPlane();
  if (programs.kind === 'assets' && programs.controllers === undefined) {
    console.error(
      'KUBEBUILDER_ASSETS has no kube-controller-manager: tests that need controllers (the lives of Jobs, garbage collection, pods) are skipped.',
    );
  }
  if ((await buildAuthenticator()) === undefined) {
    console.error('There is no Go to build the authenticator of EKS: the tests that sign in to it are skipped.');
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
