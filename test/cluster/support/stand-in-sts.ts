// STS as the authenticator of EKS uses it: it is sent the presigned request of a token, computes the signature of what has
// arrived, and says whose it is.
import { createServer } from 'node:https';
import type { StsIdentity } from '../../../local/aws/verify-eks-token.ts';
import { makeCertificates } from '../../../local/cluster/certificates.ts';
import { listen } from '../../../local/lambda/listen.ts';
import { signatureOf } from '../../support/signature-v4.ts';

/** A running STS of one region. */
export interface StandInSts {
  /** Host and port. */
  readonly address: string;
  /** The authority of its certificate, which is for the host of the real endpoint. */
  readonly caPem: string;
  /** How many requests have come. */
  requests(): number;
  close(): Promise<void>;
}

/** Starts STS with these identities, which are sessions of roles. */
export async function startStandInSts(region: string, identities: readonly StsIdentity[]): Promise<StandInSts> {
  const host = `sts.${region}.amazonaws.com`;
  const { caPem, certificatePem, keyPem } = await makeCertificates([host]);
  let requests = 0;
  const server = createServer({ cert: certificatePem, key: keyPem }, ({ method, url = '', headers }, response) => {
    requests += 1;
    const { pathname, searchParams } = new URL(url, `https://${host}`);
    const query = Object.fromEntries(searchParams);
    const isForUs = method === 'GET' && pathname === '/' && headers.host === host;
    const isUnderstood = query['Action'] === 'GetCallerIdentity' && query['Version'] === '2011-06-15';
    const answer =
      isForUs && isUnderstood ? answerTo({ query, headers, region, identities }) : refusal('InvalidAction');
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  });
  const port = await listen(server);
  return {
    address: `127.0.0.1:${port}`,
    caPem,
    requests: () => requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Asked {
  readonly query: Readonly<Record<string, string>>;
  /** What Node gives: lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly region: string;
  readonly identities: readonly StsIdentity[];
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

/** The JSON forms of https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html */
function answerTo({ query, headers, region, identities }: Asked): Answer {
  const { 'X-Amz-Signature': signature, ...signed } = query;
  const [accessKeyId = '', ...scope] = (query['X-Amz-Credential'] ?? '').split('/');
  const identity = identities.find(({ credentials }) => credentials.accessKeyId === accessKeyId);
  if (identity === undefined || identity.credentials.sessionToken !== query['X-Amz-Security-Token']) {
    return refusal('InvalidClientTokenId');
  }
  const day = query['X-Amz-Date']?.slice(0, 8);
  const texts = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString()]));
  const { secretAccessKey } = identity.credentials;
  const expected = signatureOf({ query: signed, headers: texts, secretAccessKey });
  if (scope.join('/') !== `${day}/${region}/sts/aws4_request` || signature !== expected) {
    return refusal('SignatureDoesNotMatch');
  }
  const { arn } = identity;
  const result = { Account: arn.split(':')[4], Arn: arn, UserId: `${roleId(accessKeyId)}:${arn.split('/').at(-1)}` };
  const metadata = { RequestId: '01234567-89ab-cdef-0123-456789abcdef' };
  return {
    status: 200,
    body: { GetCallerIdentityResponse: { GetCallerIdentityResult: result, ResponseMetadata: metadata } },
  };
}

/** The unique id of a role; here it is told from the keys of its session. */
const roleId = (accessKeyId: string): string => accessKeyId.replace(/^ASIA/, 'AROA');

function refusal(code: 'InvalidAction' | 'InvalidClientTokenId' | 'SignatureDoesNotMatch'): Answer {
  const error = { Code: code, Message: `${code}, says the stand-in`, Type: 'Sender' };
  return { status: code === 'InvalidAction' ? 400 : 403, body: { Error: error } };
}
