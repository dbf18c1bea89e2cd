// Requests to the Kubernetes API whose JSON is handed on as it is. Types come from client-node; its generated classes would
// make each object again, on its way out and in. See docs/adr/0013.
import { parseIsoTime } from '../domain/time.ts';
import type { ApiAnswer } from '../ports.ts';
import { parseJsonBytes } from '../schemas/json.ts';
import { createKeepAliveHttp, type HttpReply, type SendHttp } from './keep-alive-http.ts';
import { type CallKubernetes, createKubernetesApi, type KubernetesApiOptions, RefusedCall } from './kubernetes-api.ts';

/** A request that is not a stream. */
export interface JsonCall {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** Media type that is wanted; default is JSON. */
  readonly accept?: string;
  readonly body?: object;
  /** Reads the answer; default is all of its JSON. */
  readonly parse?: (bytes: Buffer<ArrayBuffer>) => unknown;
}

/** Sends a request. What comes is JSON with a kind; of what kind, only who asked can say. */
export type SendJson = (call: JsonCall) => Promise<ApiAnswer<unknown>>;

/** What a call is sent with. */
export interface Connection {
  readonly endpoint: string;
  readonly caPem: string;
  readonly sendHttp: SendHttp;
}

/** The connections of one cluster. */
export interface KubernetesSend {
  readonly send: SendJson;
  /** Runs a call of another shape over the same address and sign-in. */
  readonly call: CallKubernetes<Connection>;
  /** Takes the server's time from an answer's headers. */
  readonly hear: (headers: HttpReply['headers']) => void;
}

/** The media type of requests and answers. */
export const JSON_TYPE = 'application/json';

/** Creates the connections of one cluster. */
export function createKubernetesSend(options: KubernetesApiOptions): KubernetesSend {
  const { onServerTime } = options;
  const call = createKubernetesApi(options, ({ endpoint, caPem }) => ({
    endpoint,
    caPem,
    sendHttp: createKeepAliveHttp({ ...options, caPem }),
  }));
  const hear: KubernetesSend['hear'] = ({ date = '' }) => {
    if (onServerTime === undefined) return;
    const serverTime = parseIsoTime(date);
    if (serverTime !== undefined) onServerTime(serverTime);
  };
  const send: SendJson = ({ method, path, accept = JSON_TYPE, body, parse = parseJsonBytes }) =>
    call(async ({ endpoint, sendHttp }, token) => {
      // Every patch of this project is a merge patch.
      const type = method === 'PATCH' ? 'application/merge-patch+json' : JSON_TYPE;
      const reply = await sendHttp({
        method,
        url: endpoint + path,
        headers: { ...signedIn(token, accept), ...(body === undefined ? {} : { 'Content-Type': type }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const { status, headers, body: bytes } = reply;
      hear(headers);
      if (status < 200 || status > 299) throw new RefusedCall(status, bytes.toString('utf8'), headers['retry-after']);
      return parse(bytes);
    });
  return { send, call, hear };
}

/** The headers of every call. */
export const signedIn = (token: string, accept: string): Readonly<Record<string, string>> => ({
  Accept: accept,
  Authorization: `Bearer ${token}`,
});
