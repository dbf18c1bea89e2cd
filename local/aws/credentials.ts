/** The AWS identity of the local run. Nothing outside this machine knows these keys. */

/** AWS credentials, as a role session has them. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The region that everything local stands in. */
export const LOCAL_REGION = 'eu-central-1';

/** The account that everything local stands in. */
export const LOCAL_ACCOUNT = '123456789012';

/** Credentials with the look of a role session, so that the session token takes part in every signature. */
export const LOCAL_CREDENTIALS: AwsCredentials = {
  accessKeyId: 'ASIALOCALDISPATCHER0',
  secretAccessKey: 'local-secret-access-key-of-the-dispatcher',
  sessionToken: 'local-session-token',
};

/** Those of each function that signs in to the cluster, by its name: every function has a role of its own. */
export const ROLE_CREDENTIALS: Readonly<Record<string, AwsCredentials>> = {
  dispatch: LOCAL_CREDENTIALS,
  'job-status': {
    accessKeyId: 'ASIALOCALJOBSTATUS00',
    secretAccessKey: 'local-secret-access-key-of-job-status',
    sessionToken: 'local-session-token-of-job-status',
  },
  reconcile: {
    accessKeyId: 'ASIALOCALRECONCILE00',
    secretAccessKey: 'local-secret-access-key-of-reconcile',
    sessionToken: 'local-session-token-of-reconcile',
  },
};
