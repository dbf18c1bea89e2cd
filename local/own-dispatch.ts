// A dispatch that the user sends: Terrakube's stand-in prepares a job and its POST, but the POST is caught instead of sent.
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignJWT } from 'jose';
import { internalSecretKey } from '../lib/domain/internal-secret.ts';
import { listen } from './lambda/listen.ts';
import type { Stack } from './stack.ts';
import type { NewJob } from './terrakube/world.ts';

/** A POST that waits for the user. */
export interface OwnDispatch {
  readonly jobId: string;
  /** A command for a shell, in lines. */
  readonly curl: readonly string[];
}

/** Longer than a real one (10 s), so that a person has time to type. */
const TOKEN_LIFE_SECONDS = 3600;

/** Prepares the job. @param folder where the payload is written. */
export async function prepareOwnDispatch(
  stack: Pick<Stack, 'terrakube' | 'dispatchUrl' | 'internalSecret'>,
  folder: string,
): Promise<OwnDispatch> {
  const { jobId, payload } = await catchDispatch(stack, { steps: [{ type: 'terraformPlan', name: 'Plan' }] });
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'payload.json');
  await writeFile(file, payload);
  const curl = [
    `curl -i -X POST ${stack.dispatchUrl} \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -H 'Authorization: Bearer ${await signToken(stack.internalSecret)}' \\`,
    `  --data-binary @${path.relative(process.cwd(), file)}`,
  ];
  return { jobId, curl };
}

/** Lets Terrakube dispatch a job to nobody: the job is in the queue, and its payload is given back. */
export async function catchDispatch(
  { terrakube, dispatchUrl }: Pick<Stack, 'terrakube' | 'dispatchUrl'>,
  job: NewJob,
): Promise<{ readonly jobId: string; readonly payload: Buffer }> {
  const caught = Promise.withResolvers<Buffer>();
  const server = createServer((request, response) => {
    buffer(request).then(caught.resolve, caught.reject);
    response.writeHead(202, { 'content-length': '0', connection: 'close' }).end();
  });
  terrakube.setExecutorUrl(`http://127.0.0.1:${await listen(server)}/`);
  const { jobId } = terrakube.createJob(job);
  const payload = await caught.promise;
  while (terrakube.job(jobId).status !== 'queue') await sleep(5);
  server.close();
  terrakube.setExecutorUrl(dispatchUrl);
  return { jobId, payload };
}

async function signToken(internalSecret: string): Promise<string> {
  const decoded = internalSecretKey(internalSecret);
  if ('problem' in decoded) throw new TypeError(decoded.problem);
  return new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('TERRAKUBE_INTERNAL')
    .setAudience('TERRAKUBE_INTERNAL')
    .setIssuedAt()
    .setExpirationTime(`${TOKEN_LIFE_SECONDS}s`)
    .sign(decoded.key);
}
