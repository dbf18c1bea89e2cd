// `npm start -- --kube-context` on a real control plane, of which it knows nothing but a kubeconfig.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contextStarter } from '../../local/context/context-cluster.ts';
import type { ContextRun } from '../../local/context/prepare.ts';
import { buildControlPlane } from '../../local/control-plane/build.ts';
import { type ControlPlane, startControlPlane } from '../../local/control-plane/control-plane.ts';
import { listAt, objectAt, textAt } from '../../local/json.ts';
import { type ClusterApi, createClusterApi } from '../../local/kubelet/api.ts';
import { playDemo } from '../../local/start/demo.ts';
import { serveTerrakube } from '../../local/start/serve.ts';
import { startTerrakube } from '../../local/terrakube/terrakube.ts';
import { useKubeconfig } from '../support/kubeconfig.ts';
import { createInterruption, createRecordingReporter } from '../support/recording-reporter.ts';
import { until } from '../support/running-stack.ts';

const programs = await buildControlPlane();
const hasControllers = programs.kind === 'module' || programs.controllers !== undefined;
const namespacePath = '/api/v1/namespaces/terrakube';
const secretPath = `${namespacePath}/secrets/terrakube-executor-secrets`;
const kubeconfig = useKubeconfig();

describe.skipIf(!hasControllers)('a run on the cluster of a kube context', () => {
  const running: { controlPlane?: ControlPlane; api?: ClusterApi } = {};
  beforeAll(async () => {
    const controlPlane = await startControlPlane({ programs, namespaces: [] });
    const { url: server, caPem, tokens } = controlPlane;
    kubeconfig.write(
      { name: 'admin', server, caPem, user: { token: tokens.admin } },
      { name: 'stranger', server, caPem, user: { token: tokens.stranger } },
    );
    running.controlPlane = controlPlane;
    running.api = createClusterApi({ server, caPem, token: tokens.admin });
  });
  afterAll(async () => {
    running.api?.close();
    await running.controlPlane?.stop();
  });
  const api = (): ClusterApi => {
    if (running.api === undefined) throw new Error('The control plane did not start.');
    return running.api;
  };
  /** One of the runs that `npm start` makes, with everything that it says. */
  function prepare(given: Partial<ContextRun> = {}) {
    const report = createRecordingReporter();
    const run = { context: 'admin', namespace: 'terrakube', hasExecutor: false, report: report.progress, ...given };
    const interruption = createInterruption();
    return { report, interruption, start: contextStarter(run), stackOptions: { stopSeconds: 20 } };
  }

  test('without rights names the verbs, and changes nothing', async () => {
    const { start } = prepare({ context: 'stranger' });
    const started = start({ authenticate: async () => undefined });
    await expect(started).rejects.toThrow(
      /^Context stranger has no right to:\n {2}create jobs\.batch in namespace terr/,
    );
    expect((await api().get(namespacePath)).status).toBe(404);
  });

  test('without a namespace makes it, plays the demo, and leaves only the Jobs behind', async () => {
    const demo = prepare();
    expect(await playDemo({ ...demo, watch: false })).toBe(0);

    expect(demo.report.lines).toEqual([
      expect.stringMatching(/^Context admin: Kubernetes v1\./),
      'It has no nodes: a kubelet of this machine runs its pods, as processes',
      'Created namespace terrakube',
      'Deleted Secret terrakube-executor-secrets again: it named the stand-in Terrakube',
    ]);
    const pods = listAt((await api().get(`${namespacePath}/pods`)).body, 'items');
    expect(pods.map((pod) => textAt(pod, 'status', 'phase'))).toEqual(['Succeeded', 'Succeeded']);
    expect((await api().get(secretPath)).status).toBe(404);
    expect(listAt((await api().get('/api/v1/nodes')).body, 'items')).toEqual([]);
  });

  test('that is interrupted leaves no Job behind that a later run would start', async () => {
    const { interruption, report, ...demo } = prepare();
    const seen = async () => listAt((await api().get('/apis/batch/v1/namespaces/terrakube/jobs')).body, 'items');
    const before = await seen();
    // Nothing can start here: the image is one that cannot be pulled.
    const stackOptions = {
      ...demo.stackOptions,
      parameters: { ExecutorEphemeralImage: 'registry.invalid/executor:1' },
    };
    const played = playDemo({ ...demo, stackOptions, interruption, report, watch: false });
    await until('a Job', async () => (await seen()).length > before.length);
    interruption.interrupt();
    expect(await played).toBe(130);
    expect(report.lines).toContainEqual(expect.stringMatching(/^Deleted Job job-1-\w+: it has not ended/));
    await until('the Job to go', async () => (await seen()).length === before.length);
  });

  test('for a Terrakube that runs already tells of its jobs alone, and keeps the Secret that it made', async () => {
    const internalSecret = randomBytes(32).toString('base64url');
    const standIn = await startTerrakube({ internalSecret, executorUrl: 'http://127.0.0.1:9/nobody' });
    const terrakube = { url: standIn.url, internalSecret };
    const { report, interruption, ...service } = prepare({ terrakube });
    const served = serveTerrakube({ ...service, terrakube, report, interruption });
    try {
      await until('the URL', () => report.served() !== undefined);
      standIn.setExecutorUrl(report.served()?.dispatchUrl ?? '');
      const { jobId } = standIn.createJob({ steps: [{ type: 'terraformPlan' }] });
      await until('the end', () => report.entries.some(({ moment }) => moment === 'ended'));
      // The two Jobs of the demo are still there.
      expect(report.entries.map((entry) => `${entry.jobId} ${entry.moment}`)).toEqual(
        ['accepted', 'Job created', 'container started', 'ended'].map((moment) => `${jobId} ${moment}`),
      );
      await until('the job to complete', () => standIn.job(jobId).status === 'completed');
    } finally {
      interruption.interrupt();
      await served;
      await standIn.close();
    }
    expect(report.lines.join('\n')).not.toContain(internalSecret);
    const { status, body } = await api().get(secretPath);
    expect({ status, url: textAt(objectAt(body, 'data'), 'AzBuilderApiUrl') }).toEqual({
      status: 200,
      url: Buffer.from(terrakube.url).toString('base64'),
    });
  });

  test('with the stand-in does not take a Secret that is there', async () => {
    const before = (await api().get(secretPath)).body;
    await expect(playDemo({ ...prepare(), watch: false })).rejects.toThrow(/is not overwritten/);
    expect((await api().get(secretPath)).body).toEqual(before);
  });

  test('with nodes needs a Terrakube that they reach', async () => {
    await api().post('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'worker-1' } });
    await expect(playDemo({ ...prepare(), watch: false })).rejects.toThrow(/add --terrakube-url URL, with a Terrakube/);
  });
});
