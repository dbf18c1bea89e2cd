/** A function of template.yaml as it runs on this machine: with the addresses of the local AWS, in the role of its own. */
import { LOCAL_REGION, ROLE_CREDENTIALS } from '../aws/credentials.ts';
import type { FunctionSpec } from './read-template.ts';
import type { LambdaFunction } from './sandbox.ts';

/** Where the local AWS is. */
export interface LocalAws {
  /** EKS and Secrets Manager. */
  readonly url: string;
  readonly sqsUrl: string;
}

/** Makes the function. @param more environment on top of what template.yaml gives it. */
export function localFunction(spec: FunctionSpec, { url, sqsUrl }: LocalAws, more = {}): LambdaFunction {
  const { name, codeUri, handler, timeoutSeconds, memoryMb, environment } = spec;
  const endpoints = {
    AWS_ENDPOINT_URL_SQS: sqsUrl,
    AWS_ENDPOINT_URL_EKS: url,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: url,
    AWS_REGION: LOCAL_REGION,
  };
  const credentials = ROLE_CREDENTIALS[name];
  const variables = { ...environment, ...endpoints, ...more };
  return {
    ...{ name, codeUri, handler, timeoutSeconds, memoryMb, environment: variables },
    ...(credentials && { credentials }),
  };
}
