/**
 * The command line and the environment of a container as a local process: Kubernetes' `$(NAME)` expansion, and mount paths
 * replaced by the folders that stand in for them. Pure.
 */

import type { Container } from './pod.ts';
import type { Sources } from './sources.ts';

/** A path of the container and the local path that stands in for it. */
export interface Relocation {
  readonly from: string;
  readonly to: string;
}

/** What a process is started with. */
export interface ProcessPlan {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What the plan is made of. */
export interface PlanOptions {
  readonly sources: Sources;
  readonly relocations: readonly Relocation[];
  /** What the image would start; used where the container has no `command`. */
  readonly entrypoint: readonly string[];
  /** PATH and HOME, unless the pod sets its own. */
  readonly base: Readonly<Record<string, string>>;
}

/** Plans the process of a container. */
export function planProcess(container: Container, options: PlanOptions): ProcessPlan {
  const env: Record<string, string> = {};
  for (const { name, value, literal } of options.sources.env) {
    env[name] = literal ? expand(value, env) : value;
  }
  const local = (text: string): string => relocate(text, options.relocations);
  const given = [...container.command, ...container.args].map((part) => local(expand(part, env)));
  const command = container.command.length === 0 ? [...options.entrypoint, ...given] : given;
  const values = Object.entries(env).map(([name, value]) => [name, local(value)]);
  return { command, env: { ...options.base, ...Object.fromEntries(values) } };
}

/**
 * Replaces `$(NAME)` by the variable's value, leaves unknown names as they are, and turns `$$` into `$`.
 *
 * @see https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 */
export function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    return variables[name] ?? whole;
  });
}

/** Replaces paths of the container wherever they stand as a whole path or begin one. */
export function relocate(text: string, relocations: readonly Relocation[]): string {
  const longestFirst = [...relocations].sort((a, b) => b.from.length - a.from.length);
  return longestFirst.reduce((result, { from, to }) => {
    const escaped = from.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return result.replaceAll(new RegExp(`${escaped}(?![\\w.-])`, 'g'), () => to);
  }, text);
}
