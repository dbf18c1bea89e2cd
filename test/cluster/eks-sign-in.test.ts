// How the functions sign in to EKS, before the published server of aws-iam-authenticator. What it refuses is refused for the
// reason that its own log names. The stand-in cluster of the local run (local/aws) must judge each token alike.
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEksSignIn } from '../../lib/clients/eks-sign-in.ts';
import { createKubernetesJobs } from '../../lib/clients/kubernetes-jobs.ts';
import { buildJob } from '../../lib/domain/job-manifest.ts';
import { stepSelector } from '../../lib/domain/job-name.ts';
import { type EpochMs, epochMs } from '../../lib/domain/time.ts';
import type { JobStore } from '../../lib/ports.ts';
import { type AwsCredentials, LOCAL_ACCOUNT, LOCAL_REGION } from '../../local/aws/credentials.ts';
import { verifyEksToken } from '../../local/aws/verify-eks-token.ts';
import { buildAuthenticator } from '../../local/control-plane/build.ts';
import { objectAt, textAt } from '../../local/json.ts';
import { executorSettings, ids, NOON, request } from '../support/builders.ts';
import { type ClusterClient, createClusterClient } from '../support/cluster-client.ts';
import { refusedWith } from '../support/refused-with.ts';
import { type EksTestCluster, startEksCluster } from './support/eks-cluster.ts';
import { presignedToken, STS_HOST, tokenOf, urlIn } from './support/presigned-token.ts';

const CLUSTER = 'apps';
const NAMESPACE = 'terrakube';
const MINUTE_MS = 60_000;

const GROUPS = { dispatch: 'terrakube-dispatch', 'job-status': 'terrakube-observe', reconcile: 'terrakube-reconcile' };

/** The keys of a session, with a token of the length and the letters of a real one. */
const keysOf = (role: string): AwsCredentials => ({
  accessKeyId: `ASIA${role.replace('-', '').toUpperCase().padEnd(16, '0')}`,
  secretAccessKey: `wJalrXUtnFEMI/K7MDENG+bPxRfiCY-of-${role}`,
  sessionToken: `IQoJb3JpZ2luX2VjEJr//////////wEaDGV1LWNlbnRyYWwtMSJGMEQC+${role}/${'Ab+/'.repeat(200)}==`,
});
const sessionOf = (role: string): string => `arn:aws:sts::${LOCAL_ACCOUNT}:assumed-role/${role}/local`;
const identities = [...Object.keys(GROUPS), 'stranger'].map((role) => ({
  arn: sessionOf(role),
  credentials: keysOf(role),
}));

const binary = await buildAuthenticator();

describe.skipIf(binary === undefined)('the authenticator of EKS', () => {
  let cluster: EksTestCluster;
  let client: ClusterClient;
  beforeAll(async () => {
    cluster = await startEksCluster({ binary: binary ?? '', clusterName: CLUSTER, identities, groups: GROUPS });
    client = createClusterClient({ url: cluster.url, caPem: cluster.caPem, token: '' });
  }, 150_000);
  afterAll(async () => {
    client?.close();
    await cluster?.close();
  });

  /** The sign-in of a function, as its settings make it. */
  const signIn = (role: string, name = CLUSTER) =>
    createEksSignIn({
      aws: { region: LOCAL_REGION, credentials: keysOf(role) },
      cluster: { name, region: LOCAL_REGION, address: { endpoint: cluster.url, caPem: cluster.caPem } },
    });
  const now = (): EpochMs => epochMs(Date.now());
  const minutesAgo = (minutes: number): EpochMs => epochMs(Math.floor(Date.now() / 1000) * 1000 - minutes * MINUTE_MS);
  const tokenFor = (role: string, at = now()): Promise<string> => signIn(role).token.get(at);
  const storeWith = (role: string, clusterName?: string): JobStore =>
    createKubernetesJobs({ ...signIn(role, clusterName), namespace: NAMESPACE, now });

  /** Who the API server says that the bearer of a token is. */
  const askWho = (token: string) =>
    client.send('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      token,
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    });

  /** All that comes of a token, here and in the stand-in cluster. */
  async function judge(token: string) {
    const [before, asked] = [await cluster.refusals(), cluster.stsRequests()];
    const { status, body } = await askWho(token);
    const standIn = await verifyEksToken(token, { clusterName: CLUSTER, identities, now: Date.now() });
    return {
      status,
      who: textAt(body, 'status', 'userInfo', 'username') ?? textAt(body, 'reason'),
      because: (await cluster.refusals()).slice(before.length),
      askedSts: cluster.stsRequests() - asked,
      standIn: standIn?.arn,
    };
  }

  const accepted = {
    status: 201,
    who: sessionOf('dispatch'),
    because: [],
    askedSts: 1,
    standIn: sessionOf('dispatch'),
  };
  const refused = (because: string) => ({
    status: 401,
    who: 'Unauthorized',
    because: [`input token was not properly formatted: ${because}`],
    askedSts: 0,
    standIn: undefined,
  });
  const refusedBySts = (code: string) => {
    const body = JSON.stringify({ Error: { Code: code, Message: `${code}, says the stand-in`, Type: 'Sender' } });
    const error = `sts getCallerIdentity failed: error from AWS (expected 200, got 403). Body: ${body}`;
    return { ...refused(''), because: [error], askedSts: 1 };
  };

  describe('knows', () => {
    test.each(Object.entries(GROUPS))(
      'the session of the role of %s, in the group of its access entry',
      async (role, group) => {
        const { status, body } = await askWho(await tokenFor(role));
        const { accessKeyId } = keysOf(role);
        const roleId = accessKeyId.replace('ASIA', 'AROA');
        expect([status, objectAt(body, 'status', 'userInfo')]).toEqual([
          201,
          {
            username: sessionOf(role),
            uid: `aws-iam-authenticator:${LOCAL_ACCOUNT}:${roleId}`,
            groups: [group, 'system:authenticated'],
            extra: {
              accessKeyId: [accessKeyId],
              arn: [sessionOf(role)],
              canonicalArn: [`arn:aws:iam::${LOCAL_ACCOUNT}:role/${role}`],
              principalId: [roleId],
              sessionName: ['local'],
            },
          },
        ]);
      },
    );

    test('a token for 15 minutes, although it says one', async () => {
      expect(await judge(await tokenFor('dispatch', minutesAgo(14)))).toEqual(accepted);
    });

    test('a token that is signed by hand', async () => {
      expect(await judge(presignedToken({ credentials: keysOf('dispatch'), clusterName: CLUSTER }))).toEqual(accepted);
    });
  });

  describe('refuses', () => {
    const forged = (options: Partial<Parameters<typeof presignedToken>[0]>): string =>
      presignedToken({ credentials: keysOf('dispatch'), clusterName: CLUSTER, ...options });

    test('a token for another cluster', async () => {
      const token = await signIn('dispatch', 'other').token.get(now());
      expect(await judge(token)).toEqual(refusedBySts('SignatureDoesNotMatch'));
    });

    test('a token with another signature', async () => {
      const url = urlIn(await tokenFor('dispatch'));
      const signature = url.searchParams.get('X-Amz-Signature') ?? '';
      url.searchParams.set(
        'X-Amz-Signature',
        signature.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
      );
      expect(await judge(tokenOf(url))).toEqual(refusedBySts('SignatureDoesNotMatch'));
    });

    test('a token that another key has signed', async () => {
      const { secretAccessKey } = keysOf('stranger');
      const token = forged({ credentials: { ...keysOf('dispatch'), secretAccessKey } });
      expect(await judge(token)).toEqual(refusedBySts('SignatureDoesNotMatch'));
    });

    const { sessionToken: _, ...withoutSession } = keysOf('dispatch');
    test.each<[string, AwsCredentials]>([
      ['a key that nobody has', keysOf('nobody')],
      ['the session of another role', { ...keysOf('dispatch'), sessionToken: keysOf('reconcile').sessionToken ?? '' }],
      ['no session', withoutSession],
    ])('a token of %s', async (_, credentials) => {
      expect(await judge(forged({ credentials }))).toEqual(refusedBySts('InvalidClientTokenId'));
    });

    test('a token of 20 minutes ago', async () => {
      const signedAt = minutesAgo(20);
      const date = new Date(signedAt).toISOString().replace('T', ' ').replace('.000Z', ' +0000 UTC');
      expect(await judge(await tokenFor('dispatch', signedAt))).toEqual(
        refused(`X-Amz-Date parameter is expired (15 minute expiration) ${date}`),
      );
    });

    test('a token that does not bind its cluster', async () => {
      expect(await judge(forged({ signedHeaders: ['host'] }))).toEqual(
        refused('client did not sign the x-k8s-aws-id header in the pre-signed URL'),
      );
    });

    test('a token that says more than 15 minutes', async () => {
      expect(await judge(forged({ parameters: { 'X-Amz-Expires': '900' } }))).toEqual(accepted);
      expect(await judge(forged({ parameters: { 'X-Amz-Expires': '901' } }))).toEqual(
        refused('invalid X-Amz-Expires parameter in pre-signed URL: 901'),
      );
    });

    test.each([`${STS_HOST}.example.org`, 'sts.eu-central-9.amazonaws.com', `${STS_HOST}:8443`])(
      'a token for %s',
      async (host) => {
        expect(await judge(forged({ host }))).toEqual(refused(`unexpected hostname "${host}" in pre-signed URL`));
      },
    );

    test('a token with another action', async () => {
      expect(await judge(forged({ parameters: { Action: 'GetSessionToken' } }))).toEqual(
        refused('unexpected action parameter in pre-signed URL'),
      );
    });

    test('a good token of a role that has no access entry', async () => {
      expect(await judge(await tokenFor('stranger'))).toEqual({
        ...refused(''),
        because: ['ARN is not mapped'],
        askedSts: 1,
        standIn: sessionOf('stranger'),
      });
    });
  });

  describe('lets the client of the dispatch function', () => {
    test('do what its role is for, and nothing else', async () => {
      const of = ids({ jobId: String(randomInt(1, 2 ** 40)) });
      const settings = executorSettings({ namespace: NAMESPACE });
      const job = buildJob({ request: request({ ids: of }), settings, installation: 'eks', start: 1, now: NOON });
      const store = storeWith('dispatch');

      const created = await store.createJob(job);
      const listed = await store.listJobs(stepSelector(of, 'eks'));
      const path = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs/${job.metadata?.name}`;
      const deleted = await client.send('DELETE', path, { token: await tokenFor('dispatch') });

      expect([created.kind, listed.map(({ metadata }) => metadata?.name)]).toEqual(['ok', [job.metadata?.name]]);
      expect([deleted.status, textAt(deleted.body, 'message')]).toEqual([
        403,
        `jobs.batch "${job.metadata?.name}" is forbidden: User "${sessionOf('dispatch')}" cannot delete resource "jobs" in API group "batch" in the namespace "${NAMESPACE}"`,
      ]);
    });

    test('fail by a name of its own when the settings name another cluster, after a second try', async () => {
      const before = await cluster.refusals();
      expect(await refusedWith(storeWith('dispatch', 'other').listJobs('app=none'))).toEqual({
        code: 'clusterUnauthorized',
        message: 'The Kubernetes API answered 401 about list of Jobs.',
        status: 401,
      });
      expect((await cluster.refusals()).slice(before.length)).toEqual([
        ...refusedBySts('SignatureDoesNotMatch').because,
        ...refusedBySts('SignatureDoesNotMatch').because,
      ]);
    });
  });
});
