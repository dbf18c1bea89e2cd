// HTTP → queue. Terrakube's dispatch POST is verified and put on the job queue byte for byte, then answered.
import type { APIGatewayProxyResult } from 'aws-lambda';
import { createSqs } from '../lib/clients/aws/sqs.ts';
import { createDispatchToken } from '../lib/clients/dispatch-token.ts';
import { createJobQueue } from '../lib/clients/job-queue.ts';
import { createPathSecret } from '../lib/clients/path-secret.ts';
import { createSecret } from '../lib/clients/secrets.ts';
import { createSystemClock } from '../lib/clients/system.ts';
import { loadIntakeConfig } from '../lib/config.ts';
import { DispatcherError } from '../lib/domain/errors.ts';
import { answerMetrics, type HttpAnswer, refusal } from '../lib/domain/http.ts';
import { createDoor, errorFields, type Handler } from '../lib/door.ts';
import { type AcceptResult, acceptJob } from '../lib/flows/accept-job.ts';
import { createMetrics } from '../lib/metrics.ts';
import type { Log } from '../lib/ports.ts';
import { parseHttpEvent } from '../lib/schemas/http-event.ts';
import { readIds } from '../lib/schemas/payload-ids.ts';

const config = loadIntakeConfig(process.env);
const clock = createSystemClock();
const secret = createSecret(config.auth.secret, config.aws);
const verifier = config.auth.mode === 'jwt' ? createDispatchToken(secret) : createPathSecret(secret);
const sqs = createSqs({ region: config.aws.region, credentials: () => Promise.resolve(config.aws.credentials) });
const metrics = createMetrics({ installation: process.env['MetricsInstallation'], clock });
const deps = { queue: createJobQueue(sqs, config.queueUrl), authMode: config.auth.mode, verifier, readIds };

/** The handler that template.yaml names. */
export const handler: Handler<APIGatewayProxyResult> = createDoor('intake', async (event, log) => {
  const startedAt = clock.now();
  const request = parseHttpEvent(event);
  const { answer, ids, sentAs } = await acceptJob(deps, request, startedAt).catch((error: unknown) =>
    failed(error, log),
  );
  log.info('dispatch answered', {
    ...(ids === undefined ? {} : { terrakubeJobId: ids.jobId, stepId: ids.stepId }),
    status: answer.status,
    outcome: sentAs ?? ('code' in answer ? answer.code : 'accepted'),
    bytes: request.body.byteLength,
    durationMs: clock.now() - startedAt,
  });
  metrics.put(...answerMetrics(answer));
  return gatewayAnswer(answer);
});

/** 503 means "nothing was stored, send it again"; for any other fault that would stop every organization for ever. */
function failed(error: unknown, log: Log): AcceptResult {
  log.error('dispatch not accepted', errorFields(error));
  if (error instanceof DispatcherError) return { answer: refusal('unavailable', error.message) };
  return {
    answer: refusal('invalid_body', 'The dispatcher cannot handle this request; its log says where it failed.'),
  };
}

function gatewayAnswer(answer: HttpAnswer): APIGatewayProxyResult {
  if (answer.status === 202) return { statusCode: 202, body: '' };
  const { status, code, message } = answer;
  const body = `${JSON.stringify({ code, message })}\n`;
  return { statusCode: status, headers: { 'content-type': 'application/json' }, body };
}
