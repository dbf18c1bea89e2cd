// A recording as it would have been made of another Job: with that Job's names, and with times that end when one says. Pure.
import { isObject, type Json, type JsonObject, listAt, objectAt, textAt } from '../json.ts';

/** Job, Pods and Events of a recording, for one Job of the stand-in cluster. */
export interface Copy {
  readonly job: JsonObject;
  /** In the order in which they were created. */
  readonly pods: readonly RecordedPod[];
  readonly events: readonly JsonObject[];
}

/** A pod; one that was replaced was deleted while it ran, so that nothing is known of its end. */
interface RecordedPod {
  readonly pod: JsonObject;
  readonly isReplaced: boolean;
}

/** Copies a recording. @param jobName the Job that it is about now. @param endMs when the last recorded moment was. */
export function copyOf(recording: JsonObject, jobName: string, endMs: number): Copy {
  const renamed = renamer(recording, jobName);
  const shiftMs = endMs - lastMoment(recording);
  const copy = mapTexts(recording, (text) => (isTime(text) ? shifted(text, shiftMs) : renamed(atLength(text))));
  return {
    job: objectAt(copy, 'job'),
    pods: podsOf(copy),
    events: listAt(copy, 'events').filter(isObject),
  };
}

/** How many pods were there, one after another. */
export const podCount = (recording: JsonObject): number => podsOf(recording).length;

function podsOf(recording: Json): readonly RecordedPod[] {
  const podsAt = (key: string): readonly RecordedPod[] =>
    (isObject(recording) ? listAt(recording, key) : [])
      .filter(isObject)
      .map((pod) => ({ pod, isReplaced: key === 'replaced' }));
  const createdAt = ({ pod }: RecordedPod): number => Date.parse(textAt(pod, 'metadata', 'creationTimestamp') ?? '');
  return [...podsAt('replaced'), ...podsAt('pods')].sort((one, other) => createdAt(one) - createdAt(other));
}

/** Long values are recorded as "<A repeated 200000>". */
function atLength(text: string): string {
  const [, letter, times] = /^<(.) repeated (\d+)>$/.exec(text) ?? [];
  return letter === undefined ? text : letter.repeat(Number(times));
}

/** Pods keep the letters behind the name of their Job. */
function renamer(recording: JsonObject, jobName: string): (text: string) => string {
  const recorded = textAt(recording, 'job', 'metadata', 'name') ?? '';
  const pattern = new RegExp(`(?<![\\w-])${recorded}(?![a-z0-9])`, 'g');
  return (text) => text.replace(pattern, jobName);
}

function lastMoment(recording: JsonObject): number {
  const moments: number[] = [];
  mapTexts(recording, (text) => {
    if (isTime(text)) moments.push(Date.parse(text));
    return text;
  });
  return Math.max(...moments);
}

/** The kubelet writes 1970 for a container that was never started. */
const isTime = (text: string): boolean => /^(?!1970)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text);

/** Times of controllers have seconds, those of the scheduler microseconds. */
function shifted(text: string, shiftMs: number): string {
  const iso = new Date(Date.parse(text) + shiftMs).toISOString();
  return text.includes('.') ? iso.replace('Z', '000Z') : `${iso.slice(0, 19)}Z`;
}

function mapTexts(value: Json, change: (text: string) => string): Json {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, change)]));
}
