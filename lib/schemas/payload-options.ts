// What a payload says about its executor: the workspace's options by name, and how new the Terrakube is that sent it. Nothing
// else is read. A payload that holds something unexpected asks for nothing; the executor may still understand it.
import type { RequestedOptions } from '../domain/dispatch-request.ts';
import { OPTION_VARIABLES } from '../domain/ephemeral-options.ts';
import { TELLING_FIELDS } from '../domain/executor-image.ts';
import { OPT_IN } from '../domain/step-settings.ts';
import { parseJsonBytes } from './json.ts';

/** A workspace may have hundreds of variables: they are looked at where they are. */
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
const objectOrEmpty = (value: unknown) => (isObject(value) ? value : {});
const objects = (value: unknown) => (Array.isArray(value) ? value.map(objectOrEmpty) : []);

/** Reads what a payload asks for. Never fails. */
export const readRequestedOptions = (payload: Uint8Array): RequestedOptions =>
  requestedOptions(parseJsonBytes(payload));

/** The same of a payload that was parsed before. */
export function requestedOptions(document: unknown): RequestedOptions {
  const body = objectOrEmpty(document);
  const environment = objectOrEmpty(body['environmentVariables']);
  const commands = ['commandList', 'onFailureList'].flatMap((name) => objects(body[name]));
  const given = OPTION_VARIABLES.filter((name) => Object.hasOwn(environment, name));
  const isText = (name: string): boolean => typeof environment[name] === 'string';
  return {
    variables: Object.fromEntries(given.filter(isText).map((name) => [name, String(environment[name])])),
    notTexts: given.filter((name) => !isText(name)),
    isOptedIn: OPT_IN.some((name) => Object.hasOwn(environment, name)),
    fields: TELLING_FIELDS.filter((field) =>
      field.startsWith(COMMAND)
        ? commands.some((command) => Object.hasOwn(command, field.slice(COMMAND.length)))
        : Object.hasOwn(body, field),
    ),
  };
}

const COMMAND = 'command.';
