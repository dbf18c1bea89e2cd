// What a payload says about its executor: the workspace's options by name, and how new the Terrakube is that sent it. Nothing
// else is read. A payload that holds something unexpected asks for nothing; the executor may still understand it.
import * as v from 'valibot';
import type { RequestedOptions } from '../domain/dispatch-request.ts';
import { OPTION_VARIABLES } from '../domain/ephemeral-options.ts';
import { TELLING_FIELDS } from '../domain/executor-image.ts';
import { OPT_IN } from '../domain/step-settings.ts';
import { parseJsonBytes } from './json.ts';

const objectOrEmpty = v.fallback(v.record(v.string(), v.unknown()), {});
const objects = v.fallback(v.array(objectOrEmpty), []);

/** Reads what a payload asks for. Never fails. */
export const readRequestedOptions = (payload: Uint8Array): RequestedOptions =>
  requestedOptions(parseJsonBytes(payload));

/** The same of a payload that was parsed before. */
export function requestedOptions(document: unknown): RequestedOptions {
  const body = v.parse(objectOrEmpty, document);
  const environment = v.parse(objectOrEmpty, body['environmentVariables']);
  const commands = ['commandList', 'onFailureList'].flatMap((name) => v.parse(objects, body[name]));
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
