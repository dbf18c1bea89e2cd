// The role of a cluster in another account, by the real SDK against an STS of this machine.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createAssumedRole } from '../../lib/clients/assumed-role.ts';
import { createEksToken } from '../../lib/clients/eks-token.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { type AwsApis, startAwsApis } from '../../local/aws/aws-apis.ts';
import { LOCAL_CREDENTIALS, LOCAL_REGION } from '../../local/aws/credentials.ts';
import { verifyEksToken } from '../../local/aws/verify-eks-token.ts';

const ROLE = 'arn:aws:iam::210987654321:role/terrakube-dispatch';
const ROLE_KEYS = {
  accessKeyId: 'ASIAOTHERACCOUNT0000',
  secretAccessKey: 'other-secret',
  sessionToken: 'other-session',
};
const MINUTE = 60_000;

let sts: AwsApis;
beforeAll(async () => {
  sts = await startAwsApis({
    clusters: new Map(),
    secrets: new Map(),
    credentials: [LOCAL_CREDENTIALS],
    roles: new Map([[ROLE, ROLE_KEYS]]),
  });
  vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.url);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await sts.close();
});

const now = () => epochMs(Date.now());
const role = (roleArn = ROLE) =>
  createAssumedRole({ roleArn, region: LOCAL_REGION, credentials: () => Promise.resolve(LOCAL_CREDENTIALS) });

describe('the credentials of another role', () => {
  let before = 0;
  afterEach(() => {
    before = sts.requests('AssumeRole');
  });

  test('are the ones that STS gives, and are shared by concurrent callers', async () => {
    const credentials = role();

    const all = await Promise.all([credentials(now()), credentials(now()), credentials(now())]);

    expect(all[0]).toMatchObject(ROLE_KEYS);
    expect(new Set(all).size).toBe(1);
    expect(sts.requests('AssumeRole') - before).toBe(1);
  });

  test('are kept until five minutes before their end', async () => {
    const credentials = role();
    const first = await credentials(now());

    expect(await credentials(epochMs(Date.now() + 54 * MINUTE))).toBe(first);
    expect(await credentials(epochMs(Date.now() + 56 * MINUTE))).not.toBe(first);
    expect(sts.requests('AssumeRole') - before).toBe(2);
  });

  test('sign the token of the cluster', async () => {
    const token = await createEksToken({ clusterName: 'other', region: LOCAL_REGION, credentials: role() }).get(now());

    const identities = [{ arn: ROLE, credentials: ROLE_KEYS }];
    expect(await verifyEksToken(token, { clusterName: 'other', identities, now: Date.now() })).toEqual({ arn: ROLE });
  });

  test('that STS does not give are a cluster that cannot be reached, and are asked for again', async () => {
    const credentials = role('arn:aws:iam::210987654321:role/other');
    const refusal = {
      code: 'clusterUnknown',
      message: 'Role arn:aws:iam::210987654321:role/other cannot be assumed (AccessDenied).',
    };

    await expect(credentials(now())).rejects.toMatchObject(refusal);
    await expect(credentials(now())).rejects.toMatchObject(refusal);
    expect(sts.requests('AssumeRole') - before).toBe(2);
  });
});
