/**
 * Where the executor finds its settings: the environment first, then the files of a configuration tree that
 * `SPRING_CONFIG_IMPORT` names. The order, and what is fatal, are Spring Boot's.
 *
 * @see https://docs.spring.io/spring-boot/reference/features/external-config.html#features.external-config.files.configtree
 */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The value of a setting; undefined when nobody has set it. */
export type Settings = (name: string) => string | undefined;

/**
 * Reads environment and tree.
 *
 * @throws Error when the tree's folder is missing and the import is not `optional:`.
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const tree = readTree(env['SPRING_CONFIG_IMPORT'] ?? '');
  // An empty variable wins as well: Spring asks whether it is set, not what it holds.
  return (name) => env[name] ?? tree.get(name);
}

function readTree(location: string): ReadonlyMap<string, string> {
  const found = /^(optional:)?configtree:(.*)$/.exec(location);
  if (found === null) return new Map();
  const [, optional, folder = ''] = found;
  const isThere = statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!isThere && optional === undefined)
    throw new Error(`The folder ${folder} of SPRING_CONFIG_IMPORT does not exist.`);
  if (!isThere) return new Map();
  // Entries that begin with ".." are the kubelet's own.
  const names = readdirSync(folder).filter((name) => !name.startsWith('..'));
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return new Map(files.map((name) => [name, readFileSync(join(folder, name), 'utf8').replace(/\r?\n$/, '')]));
}
