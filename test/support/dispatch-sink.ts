/**
 * Stands where the dispatcher's intake stands: takes Terrakube's POSTs, keeps them as they came, answers as the test says.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as v from 'valibot';

/** A POST as it came. */
export interface ReceivedDispatch {
  readonly path: string;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  readonly atMs: number;
  readonly text: string;
  readonly body: DispatchBody;
}

/** What the tests read of a body. */
interface DispatchBody {
  readonly type: string;
  readonly jobId: string;
  readonly stepId: string;
  readonly commandList: unknown;
  readonly accessToken: string | null;
}

/** Writes an answer; `nth` counts the POSTs from 1. */
export type SinkAnswer = (response: ServerResponse, nth: number) => void;

/** A running sink. */
export interface DispatchSink {
  readonly url: string;
  readonly received: readonly ReceivedDispatch[];
  answerWith(answer: SinkAnswer): void;
  close(): Promise<void>;
}

const DispatchBodySchema: v.GenericSchema<unknown, DispatchBody> = v.object({
  type: v.string(),
  jobId: v.string(),
  stepId: v.string(),
  commandList: v.unknown(),
  accessToken: v.nullable(v.string()),
});

/** Answers with a status, and with a body when there is one. */
export function answer(status: number, headers: Readonly<Record<string, string>> = {}, body = ''): SinkAnswer {
  return (response) => {
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body);
  };
}

/** 202 with nothing: the answer that Terrakube takes as success. */
export const ACCEPTED: SinkAnswer = answer(202);

/** Starts a sink that accepts everything. */
export async function startDispatchSink(): Promise<DispatchSink> {
  const received: ReceivedDispatch[] = [];
  let respond = ACCEPTED;
  const server = createServer(async (incoming, outgoing) => {
    received.push(await read(incoming));
    respond(outgoing, received.length);
  });
  const address = await new Promise<AddressInfo | string | null>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address()));
  });
  if (address === null || typeof address === 'string') throw new Error('The sink has no port.');
  return {
    url: `http://127.0.0.1:${address.port}/api/v1/terraform-rs`,
    received,
    answerWith(next) {
      respond = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function read(incoming: IncomingMessage): Promise<ReceivedDispatch> {
  const atMs = Date.now();
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
  const text = Buffer.concat(chunks).toString();
  return {
    path: incoming.url ?? '',
    httpVersion: incoming.httpVersion,
    rawHeaders: incoming.rawHeaders,
    atMs,
    text,
    body: v.parse(DispatchBodySchema, JSON.parse(text)),
  };
}
