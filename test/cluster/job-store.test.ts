import { beforeAll, inject } from 'vitest';
import { describeJobStore } from '../support/job-store-suite.ts';
import { applyRoles, NAMESPACE, storeWith } from './support/dispatch-store.ts';

beforeAll(applyRoles);

describeJobStore('Kubernetes Jobs on a real API server, as the dispatch function', async () => ({
  store: storeWith(inject('controlPlane').tokens.dispatch),
  namespace: NAMESPACE,
}));
