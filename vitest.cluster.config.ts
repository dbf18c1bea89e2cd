import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** Tests of the whole product, with built bundles; each starts what it needs. */
const stack = [
  'test/cluster/faults.test.ts',
  'test/cluster/kube-context.test.ts',
  'test/cluster/observe-bundle.test.ts',
  'test/cluster/stack.test.ts',
];

/** What takes minutes on a machine's first run, or long every time (`npm run test:cluster`). */
const config: ViteUserConfig = defineConfig({
  test: {
    // These tests wait more than they work, so that more files than processors may run side by side.
    maxWorkers: 4,
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        // One control plane serves all files, which run side by side in namespaces of their own.
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          exclude: stack,
          globalSetup: ['test/cluster/support/start-control-plane.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'stack',
          include: stack,
          globalSetup: ['test/support/build-once.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});

export default config;
