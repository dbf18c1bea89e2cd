/**
 * The fields that the API server fills in when an object is created. Only those that a client of ours could see.
 */

import { type Json, type JsonObject, listAt, objectAt, textAt } from '../json.ts';

/** A Job's spec with defaults, its generated selector and the labels that tie its pods to it. */
export function jobSpec(spec: JsonObject, name: string, uid: string): JsonObject {
  const template = objectAt(spec, 'template');
  const labels = {
    ...objectAt(template, 'metadata', 'labels'),
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  };
  return {
    parallelism: 1,
    completions: 1,
    backoffLimit: 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: 'TerminatingOrFailed',
    ...spec,
    selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } },
    manualSelector: false,
    template: { metadata: { ...objectAt(template, 'metadata'), labels }, spec: podSpec(objectAt(template, 'spec')) },
  };
}

/** A pod's spec with defaults. */
export function podSpec(spec: JsonObject): JsonObject {
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    ...spec,
    ...(Array.isArray(spec['containers']) ? { containers: spec['containers'].map(container) } : {}),
    ...(Array.isArray(spec['volumes']) ? { volumes: spec['volumes'].map(volume) } : {}),
  };
}

/** A Secret's fields with defaults: `stringData` is written into `data`. */
export function secretFields(body: JsonObject): JsonObject {
  const { stringData, ...rest } = body;
  const encoded = Object.entries(objectAt(stringData)).map(([key, text]) => [
    key,
    Buffer.from(String(text)).toString('base64'),
  ]);
  const data = { ...objectAt(rest, 'data'), ...Object.fromEntries(encoded) };
  return { ...rest, ...(Object.keys(data).length === 0 ? {} : { data }), type: textAt(body, 'type') ?? 'Opaque' };
}

function container(value: Json): Json {
  const given = objectAt(value);
  const image = textAt(given, 'image') ?? '';
  const latest = image.endsWith(':latest') || !/[:@][^/]*$/.test(image);
  return {
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: latest ? 'Always' : 'IfNotPresent',
    ...given,
  };
}

function volume(value: Json): Json {
  const given = objectAt(value);
  const filled = ['secret', 'configMap'].filter((source) => given[source] !== undefined);
  const sources = filled.map((source) => [source, { defaultMode: 420, ...objectAt(given, source) }]);
  return { ...given, ...Object.fromEntries(sources) };
}

/** The containers of a pod's spec, as objects. */
export function containersOf(spec: JsonObject): readonly JsonObject[] {
  return listAt(spec, 'containers').map((value) => objectAt(value));
}
