// What a real cluster was recorded to show of a Job, its Pods and its Events: the Job itself is gone from the recording, or
// ends, or waits for something. Each file of recordings/ is one scenario, shortened to what says something.
import { readdirSync, readFileSync } from 'node:fs';
import { isObject, type Json, type JsonObject, textAt } from '../json.ts';

/** A recording that can be played. */
export interface Scenario {
  readonly name: string;
  /** One line. */
  readonly description: string;
  /** What the step comes to: failed, or waiting for as long as somebody looks on. */
  readonly ends: 'failed' | 'waiting';
  /** `job`, `pods` and `events`, with the names and times of the recorded cluster. */
  readonly recording: JsonObject;
}

const FOLDER = new URL('recordings/', import.meta.url);

/** All scenarios, in the order of their names. */
export function loadScenarios(): readonly Scenario[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.replace(/\.json$/, ''))
    .sort()
    .map(loadScenario);
}

function loadScenario(name: string): Scenario {
  const file = `${name}.json`;
  const recording: Json = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
  if (!isObject(recording)) throw new Error(`recordings/${file} is no recording`);
  return {
    name,
    description: textAt(recording, 'description') ?? '',
    ends: textAt(recording, 'ends') === 'waiting' ? 'waiting' : 'failed',
    recording,
  };
}
