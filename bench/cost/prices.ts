// List prices of us-east-1 in US dollars, in one place, without free tiers and discounts.

/** When they were looked up. Check them against the sources before you rely on a sum. */
export const PRICES_OF = 'November 2026';

/** One price. */
export interface Price {
  readonly what: string;
  readonly usd: number;
  readonly per: number;
  readonly unit: string;
  readonly source: string;
}

const MILLION = 1e6;
const TEN_THOUSAND = 1e4;
const GIB = 2 ** 30;

const LAMBDA = 'https://aws.amazon.com/lambda/pricing/';
const CLOUDWATCH = 'https://aws.amazon.com/cloudwatch/pricing/';
const KMS = 'https://aws.amazon.com/kms/pricing/';
const SECRETS = 'https://aws.amazon.com/secrets-manager/pricing/';

/** What there is a price for. */
export type PriceName =
  | 'restApi'
  | 'lambdaRequest'
  | 'lambdaCompute'
  | 'sqs'
  | 'kmsKey'
  | 'kmsRequest'
  | 'secret'
  | 'secretRequest'
  | 'logs'
  | 'metric'
  | 'alarm'
  | 'dashboard'
  | 'scheduler'
  | 'xray';

/** The prices by their names. */
export const PRICES: Readonly<Record<PriceName, Price>> = {
  restApi: price('API Gateway, REST API', 3.5, MILLION, 'requests', 'https://aws.amazon.com/api-gateway/pricing/'),
  lambdaRequest: price('Lambda, requests', 0.2, MILLION, 'requests', LAMBDA),
  lambdaCompute: price('Lambda, arm64', 0.0000133334, 1, 'GB-second', LAMBDA),
  sqs: price('SQS, standard queue (64 KB each)', 0.4, MILLION, 'requests', 'https://aws.amazon.com/sqs/pricing/'),
  kmsKey: price('KMS, key', 1, 1, 'key and month', KMS),
  kmsRequest: price('KMS, requests', 0.03, TEN_THOUSAND, 'requests', KMS),
  secret: price('Secrets Manager, secret', 0.4, 1, 'secret and month', SECRETS),
  secretRequest: price('Secrets Manager, requests', 0.05, TEN_THOUSAND, 'requests', SECRETS),
  logs: price('CloudWatch Logs, ingestion', 0.5, GIB, 'GiB', CLOUDWATCH),
  metric: price('CloudWatch, custom metric', 0.3, 1, 'metric and month', CLOUDWATCH),
  alarm: price('CloudWatch, alarm', 0.1, 1, 'alarm and month', CLOUDWATCH),
  dashboard: price('CloudWatch, dashboard', 3, 1, 'dashboard and month', CLOUDWATCH),
  scheduler: price('EventBridge Scheduler', 1, MILLION, 'invocations', 'https://aws.amazon.com/eventbridge/pricing/'),
  xray: price('X-Ray, traces recorded', 5, MILLION, 'traces', 'https://aws.amazon.com/xray/pricing/'),
};

/** What an amount of something costs, in US dollars. */
export function costOf(name: PriceName, amount: number): number {
  const { usd, per } = PRICES[name];
  return (usd / per) * amount;
}

function price(what: string, usd: number, per: number, unit: string, source: string): Price {
  return { what, usd, per, unit, source };
}
