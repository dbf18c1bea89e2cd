import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createKeepAliveHttp, type HttpCall, type KeepAliveHttpOptions } from '../../lib/clients/keep-alive-http.ts';
import { type Certificates, makeCertificates } from '../../local/cluster/certificates.ts';
import { listen } from '../../local/lambda/listen.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

let certificates: Certificates;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  certificates = await makeCertificates();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const answers: Script = ({ path }) => ({ status: 200, body: `answer to ${path}` });

async function start(protocol: 'http' | 'https', script: Script = answers): Promise<ScriptedServer> {
  const server = await startScriptedServer(script, protocol === 'https' ? certificates : undefined);
  closing.push(server.close);
  return server;
}

/** A sender that trusts the server, and its clock. */
function createSender(options: Partial<KeepAliveHttpOptions> = {}) {
  const clock = { nowMs: 0 };
  return { clock, send: createKeepAliveHttp({ caPem: certificates.caPem, now: () => clock.nowMs, ...options }) };
}

const get = (server: { readonly url: string }, path = '/'): HttpCall => ({
  method: 'GET',
  url: `${server.url}${path}`,
  headers: {},
});

/** Answers on connections from this one on; older ones are dead, and nobody has said so. */
const deadBefore =
  (connection: number): Script =>
  (call) =>
    call.connection < connection ? 'reset' : answers(call);

/** The codes of what a call was refused with. */
const codeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'answered',
    (error: NodeJS.ErrnoException) => error.code,
  );

describe.each(['http', 'https'] as const)('a sender over %s', (protocol) => {
  test('uses one connection for twenty calls in turn', async () => {
    const server = await start(protocol);
    const { send } = createSender();
    const bodies: string[] = [];
    for (let turn = 0; turn < 20; turn += 1) bodies.push((await send(get(server, `/${turn}`))).body.toString());
    expect(bodies).toEqual(Array.from({ length: 20 }, (_, turn) => `answer to /${turn}`));
    expect(server.connections).toBe(1);
  });

  test('opens at most eight connections for fifty calls at once', async () => {
    const server = await start(protocol);
    const { send } = createSender();
    const replies = await Promise.all(Array.from({ length: 50 }, (_, turn) => send(get(server, `/${turn}`))));
    expect(replies.map(({ body }) => body.toString())).toEqual(
      Array.from({ length: 50 }, (_, turn) => `answer to /${turn}`),
    );
    expect(server.connections).toBeGreaterThan(1);
    expect(server.connections).toBeLessThanOrEqual(8);
  });

  test('sends a request once more when the kept connection breaks before the answer', async () => {
    const server = await start(protocol);
    const { send } = createSender();
    await send(get(server));
    server.script(deadBefore(2));
    const call = { method: 'POST', url: `${server.url}/again`, headers: {}, body: 'the body' };
    expect((await send(call)).body.toString()).toBe('answer to /again');
    expect(server.seen.slice(1).map(({ body, connection }) => ({ body, connection }))).toEqual([
      { body: 'the body', connection: 1 },
      { body: 'the body', connection: 2 },
    ]);
  });

  test('leaves every kept connection when one of them was dead', async () => {
    const server = await start(protocol);
    const { send } = createSender();
    await Promise.all(Array.from({ length: 8 }, () => send(get(server))));
    const opened = server.connections;
    server.script(deadBefore(opened + 1));
    expect((await send(get(server, '/one'))).body.toString()).toBe('answer to /one');
    expect(server.connections).toBe(opened + 1);
  });

  test('leaves every kept connection when nothing came through one of them any more', async () => {
    const server = await start(protocol);
    const { send } = createSender({ timeoutMs: 200 });
    await Promise.all(Array.from({ length: 8 }, () => send(get(server))));
    const opened = server.connections;
    server.script((call) => (call.connection <= opened ? 'silence' : answers(call)));
    expect(await codeOf(send(get(server)))).toBe('ETIMEDOUT');
    expect((await send(get(server, '/next'))).body.toString()).toBe('answer to /next');
    expect(server.connections).toBe(opened + 1);
  });

  test('survives calls at once after all its kept connections died', async () => {
    const server = await start(protocol);
    const { send } = createSender();
    await Promise.all(Array.from({ length: 8 }, () => send(get(server))));
    server.script(deadBefore(server.connections + 1));
    const replies = await Promise.all(Array.from({ length: 20 }, () => send(get(server))));
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
  });

  test('opens a new connection when the server has closed the kept one', async () => {
    const server = await start(protocol);
    const { send } = createSender();
    await send(get(server));
    await server.closeIdle();
    expect((await send(get(server))).status).toBe(200);
    expect(server.connections).toBe(2);
  });

  test('does not repeat a request whose own new connection breaks', async () => {
    const server = await start(protocol, () => 'reset');
    expect(await codeOf(createSender().send(get(server)))).toBe('ECONNRESET');
    expect(server.seen).toHaveLength(1);
  });

  test('repeats a request only once', async () => {
    const server = await start(protocol);
    const { send } = createSender();
    await send(get(server));
    server.script(() => 'reset');
    expect(await codeOf(send(get(server)))).toBe('ECONNRESET');
    expect(server.seen).toHaveLength(3);
  });

  test('does not repeat a request whose answer breaks off', async () => {
    const server = await start(protocol);
    const { send } = createSender();
    await send(get(server));
    server.script(() => ({ status: 200, headers: { 'content-length': '100', connection: 'close' }, body: 'half' }));
    expect(await codeOf(send(get(server)))).toBe('ECONNRESET');
    expect(server.seen).toHaveLength(2);
  });

  test('uses a connection that was idle for 60 seconds, and a new one after that', async () => {
    const server = await start(protocol);
    const { send, clock } = createSender();
    await send(get(server));
    clock.nowMs = 60_000;
    await send(get(server));
    expect(server.connections).toBe(1);
    clock.nowMs = 120_001;
    await send(get(server));
    expect(server.connections).toBe(2);
  });

  test('leaves a call alone that is still under way when the others have been idle for long', async () => {
    const arrived = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const server = await start(protocol, async (call) => {
      if (call.path !== '/slow') return answers(call);
      arrived.resolve();
      await release.promise;
      return answers(call);
    });
    const { send, clock } = createSender();
    const slow = send(get(server, '/slow'));
    await arrived.promise;
    clock.nowMs = 60_001;
    await send(get(server, '/fast'));
    release.resolve();
    expect((await slow).body.toString()).toBe('answer to /slow');
  });

  test('gives up on a server that is silent', async () => {
    const server = await start(protocol, () => 'silence');
    expect(await codeOf(createSender({ timeoutMs: 100 }).send(get(server)))).toBe('ETIMEDOUT');
    expect(server.seen).toHaveLength(1);
  });

  test('gives up on a server that is never silent and never done', async () => {
    const server = await start(protocol, () => 'drip');
    expect(await codeOf(createSender({ timeoutMs: 200 }).send(get(server)))).toBe('ETIMEDOUT');
    expect(server.seen).toHaveLength(1);
  });

  test('does not repeat a request that timed out on a kept connection', async () => {
    const server = await start(protocol);
    const { send } = createSender({ timeoutMs: 100 });
    await send(get(server));
    server.script(() => 'silence');
    expect(await codeOf(send(get(server)))).toBe('ETIMEDOUT');
    expect(server.seen).toHaveLength(2);
  });

  test.each([200, 202, 204, 302, 401, 404, 409, 429, 500, 504])('gives an answer of %i back', async (status) => {
    const server = await start(protocol, () => ({
      status,
      headers: { 'Retry-After': '7', Location: '/elsewhere' },
      body: status === 204 ? '' : 'said',
    }));
    const reply = await createSender().send(get(server));
    expect({ status: reply.status, body: reply.body.toString() }).toEqual({
      status,
      body: status === 204 ? '' : 'said',
    });
    expect(reply.headers).toMatchObject({ 'retry-after': '7', location: '/elsewhere' });
    expect(server.seen).toHaveLength(1);
  });

  test('encodes in a path what a URL cannot hold, and leaves alone what is encoded', async () => {
    const server = await start(protocol);
    const { send } = createSender();
    const sent: string[] = [];
    for (const path of ['', '/a%20b?c=%5B1%5D', '/ü ber?d=é', '', '//e?f=[1]']) {
      sent.push((await send(get(server, path))).body.toString());
    }
    expect(sent).toEqual(
      ['/', '/a%20b?c=%5B1%5D', '/%C3%BC%20ber?d=%C3%A9', '/', '//e?f=[1]'].map((path) => `answer to ${path}`),
    );
  });

  test('goes to another server when the URL says so', async () => {
    const [one, other] = [await start(protocol), await start(protocol)];
    const { send } = createSender();
    for (const server of [one, other, one]) await send(get(server, '/a'));
    expect([one.seen.length, other.seen.length]).toEqual([2, 1]);
  });

  test('sends text in UTF-8 with its length in bytes', async () => {
    const server = await start(protocol);
    const body = '{"what":"Grüße, 日本 🙂"}';
    await createSender().send({ method: 'PUT', url: `${server.url}/x`, headers: { 'X-Name': 'value' }, body });
    expect(server.seen.map(({ method, path, body: text }) => ({ method, path, text }))).toEqual([
      { method: 'PUT', path: '/x', text: body },
    ]);
    expect(server.seen[0]?.headers).toMatchObject({
      'x-name': 'value',
      'content-length': String(Buffer.byteLength(body)),
    });
    expect(server.seen[0]?.headers).not.toHaveProperty('transfer-encoding');
  });

  test('carries megabytes both ways, byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));
    const server = await start(protocol, () => ({ status: 200, body: bytes }));
    const body = 'ü'.repeat(700_000);
    const reply = await createSender().send({ method: 'POST', url: server.url, headers: {}, body });
    expect(reply.body.equals(bytes)).toBe(true);
    expect(server.seen[0]?.body).toBe(body);
  });

  test('says with its code that nobody listens', async () => {
    const server = await start(protocol);
    await server.close();
    expect(await codeOf(createSender().send(get(server)))).toBe('ECONNREFUSED');
  });
});

describe('a sender over https', () => {
  test('refuses a server whose certificate comes from a foreign authority', async () => {
    const server = await start('https');
    const foreign = await makeCertificates();
    const { send } = createSender({ caPem: foreign.caPem });
    expect(await codeOf(send(get(server)))).toBe('CERT_SIGNATURE_FAILURE');
    expect(server.seen).toEqual([]);
  });

  test('trusts no unknown authority when it is given none', async () => {
    const server = await start('https');
    const send = createKeepAliveHttp({ now: () => 0 });
    expect(await codeOf(send(get(server)))).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    expect(server.seen).toEqual([]);
  });

  test('refuses a certificate for another name', async () => {
    const server = await start('https');
    const url = server.url.replace('127.0.0.1', '0.0.0.0');
    expect(await codeOf(createSender().send({ method: 'GET', url, headers: {} }))).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(server.seen).toEqual([]);
  });

  test('gives up on a server that never answers the handshake', async () => {
    const mute = createServer();
    closing.push(closer(mute));
    const port = await listen(mute);
    const { send } = createSender({ timeoutMs: 100 });
    expect(await codeOf(send({ method: 'GET', url: `https://127.0.0.1:${port}`, headers: {} }))).toBe('ETIMEDOUT');
  });

  test('gives up on an answer that stops in its middle', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'));
      socket.on('error', () => undefined);
    });
    closing.push(closer(server));
    const port = await listen(server);
    const { send } = createSender({ timeoutMs: 100 });
    expect(await codeOf(send({ method: 'GET', url: `http://127.0.0.1:${port}`, headers: {} }))).toBe('ETIMEDOUT');
  });
});

function closer(server: Server): () => Promise<void> {
  const sockets: Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  return () =>
    new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    });
}
