// An executor that is older than the Terrakube API: its batch mode refuses a field that it does not know, says so in its own
// log only, and then waits for ever. The fields that a release added tell how new the API is that sent a payload.
import type { Reason } from './failure-text.ts';

/** A version of Terrakube, without its patch where that does not matter. */
type Version = readonly [major: number, minor: number, patch: number];

/** Fields of a payload, `command.` for those of its commands, and the first release whose executor knows them. */
const KNOWN_SINCE: Readonly<Record<string, Version>> = {
  connectionType: [2, 23, 0],
  'command.verbose': [2, 23, 0],
  ignoreError: [2, 24, 0],
  'command.beforeInit': [2, 28, 0],
  onFailureList: [2, 30, 0],
  // 2.33.0 does not know them; which patch release does first is not certain, so no later one is refused.
  policyList: [2, 33, 1],
  policyExemptionList: [2, 33, 1],
};

/** The fields that are worth looking for in a payload. */
export const TELLING_FIELDS: readonly string[] = Object.keys(KNOWN_SINCE);

/**
 * Why an executor of this image cannot read a payload with these fields. Undefined when it can, and when the tag does not
 * say a version of Terrakube: another word, a digest alone, or a number below 2 (somebody's own count).
 */
export function outdatedImageReason(image: string, fields: readonly string[]): Reason | undefined {
  const version = versionOf(image);
  if (!version) return undefined;
  const newest = fields
    .flatMap((field) => {
      const since = KNOWN_SINCE[field];
      return since ? [{ field, since }] : [];
    })
    .reduce<{ readonly field: string; readonly since: Version } | undefined>(
      (most, other) => (most && compare(most.since, other.since) >= 0 ? most : other),
      undefined,
    );
  if (!newest || compare(version.number, newest.since) >= 0) return undefined;
  const needed = text(newest.since);
  return {
    title: `the executor image is version ${version.text}, but Terrakube is ${needed} or later`,
    evidence: `The job's data has the field ${newest.field}, which executors know since ${needed}; image ${image} would never end.`,
    advice: 'Set ExecutorEphemeralImage to an executor of the same version as your Terrakube API.',
  };
}

/** `[registry[:port]/]name:2.33.0-beta.1[@digest]`: an addition to the numbers counts as their release. */
function versionOf(image: string): { readonly number: Version; readonly text: string } | undefined {
  const found = /:v?((\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[-+._][^/:]*)?)$/.exec(image.replace(/@.*$/, ''));
  const [, tag = '', major, minor, patch] = found ?? [];
  if (Number(major ?? 0) < 2) return undefined;
  // `2.33` moves on with every patch release.
  return { number: [Number(major), Number(minor), patch === undefined ? Infinity : Number(patch)], text: tag };
}

const compare = (one: Version, other: Version): number =>
  one[0] - other[0] || one[1] - other[1] || (one[2] === other[2] ? 0 : one[2] - other[2]);

/** 2.30 for 2.30.0. */
const text = ([major, minor, patch]: Version): string => `${major}.${minor}${patch > 0 ? `.${patch}` : ''}`;
