// The settings of one step's executor: those of the deployment, with what the workspace asks for laid over them, or the
// reason why the step cannot have an executor. Everything that is wrong is told at once.
import type { RequestedOptions } from './dispatch-request.ts';
import { mergeOptions, parseOptions } from './ephemeral-options.ts';
import { outdatedImageReason } from './executor-image.ts';
import type { ExecutorSettings } from './executor-settings.ts';
import { cut, type Reason, TITLE_LIMIT } from './failure-text.ts';
import { allowingPolicy, applyGuardRails, type Refusal } from './guard-rails.ts';

/** The settings, or why there are none. */
export type StepSettings = { readonly settings: ExecutorSettings } | { readonly reason: Reason };

/**
 * The variables by which a workspace asks for an executor; their presence is what counts. The first one is Terrakube's own:
 * a Terrakube that knows it makes such executors by itself and sends no request, so a workspace there takes the other one.
 */
export const OPT_IN: readonly string[] = ['TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR', 'EPHEMERAL_OPT_IN'];

/** Decides what the executor of a step gets. */
export function stepSettings(asked: RequestedOptions, settings: ExecutorSettings): StepSettings {
  if (settings.requireOptIn && !asked.isOptedIn) return { reason: NOT_OPTED_IN };
  const outdated = outdatedImageReason(settings.image, asked.fields);
  if (outdated) return { reason: outdated };
  const { configMaps: envFrom, runAsNonRoot } = settings;
  const defaults = { ...settings.options, envFrom, runAsNonRoot };
  const { options: parsed, problems } = parseOptions(asked.variables, defaults);
  const { options, refusals } = applyGuardRails(parsed, settings.guardRails, defaults);
  const noTexts = asked.notTexts.map((variable) => ({
    variable,
    problem: 'has no text as its value',
    fix: 'Give it one or delete it.',
  }));
  const faults: readonly Refusal[] = [...noTexts, ...problems, ...refusals];
  const [first] = faults;
  if (first) return { reason: faultReason(first, faults) };
  return { settings: { ...settings, options: mergeOptions(settings.options, options) } };
}

const NOT_OPTED_IN: Reason = {
  title: `this workspace has neither ${OPT_IN.join(' nor ')}`,
  evidence: 'Only workspaces that ask for an executor of their own get one here (setting RequireOptIn).',
  advice:
    'Add the environment variable EPHEMERAL_OPT_IN=true to the workspace or its organization, or choose another executor. (With TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR Terrakube itself would have to reach the cluster.)',
};

/** Longest quotation of a value, in characters. */
const VALUE_LIMIT = 63;
/** A variable can hold a thousand mistakes; the first ones are enough to begin with. */
const MOST_FAULTS = 50;

function faultReason(first: Refusal, faults: readonly Refusal[]): Reason {
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  const told = faults.slice(0, MOST_FAULTS);
  const policy = allowingPolicy(told);
  const fixes = [...new Set(told.map(({ fix }) => fix))];
  return {
    title: `${cut(sentence(first), TITLE_LIMIT - more.length)}${more}`,
    evidence: `${told.map(sentence).join('; ')}${told.length < faults.length ? '; …' : ''}.`,
    advice: [...fixes, ...(policy ? [`An administrator can allow it: GuardRails ${policy}.`] : [])].join(' '),
  };
}

const sentence = ({ variable, problem, value }: Refusal): string =>
  `${variable} ${problem}${value === undefined ? '' : `: "${cut(value, VALUE_LIMIT)}"`}`;
