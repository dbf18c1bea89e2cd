import { defineConfig, type ViteUserConfig } from 'vitest/config';

const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) {
  throw new Error(`The tests need Node.js 24 (this is ${process.version}). "npm test" brings it along.`);
}

/** One project per room of test/. The rooms that need built bundles get them from test/support/build-once.ts. */
const config: ViteUserConfig = defineConfig({
  test: {
    // The tests wait for processes and servers more than they compute.
    maxWorkers: 4,
    expect: { poll: { timeout: 15_000 } },
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts', 'test/*.test.ts'], testTimeout: 20_000 } },
      { test: { name: 'property', include: ['test/property/**/*.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'flow', include: ['test/flow/**/*.test.ts'], testTimeout: 20_000 } },
      { test: { name: 'contract', include: ['test/contract/**/*.test.ts'], testTimeout: 40_000 } },
      {
        test: {
          name: 'lambda',
          include: ['test/lambda/**/*.test.ts'],
          globalSetup: ['test/support/build-once.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});

export default config;
