/**
 * The part of RSQL that Terrakube's clients use: `==`, `!=`, `=in=`, `=out=`, `;` for and, `,` for or, parentheses.
 * @see https://elide.io/pages/guide/v7/10-jsonapi.html#rsql
 */
import { invalidValue, notModelled, refuse } from './errors.ts';
import { JOB_STATUSES, type Job, NEW_JOB_VALUES, type Scalar, type Step } from './world.ts';

/** What a filter looks at. Filters of jobs see no step. */
export interface Row {
  readonly job: Job;
  readonly step?: Step;
}

/** Whether a row passes. */
export type Filter = (row: Row) => boolean;

/** Reads one value of a row. */
export type Selector = (row: Row) => Scalar;

const CONSTRAINT = /([A-Za-z_.]+)(==|!=|=in=|=out=)(\([^()]*\)|'[^']*'|"[^"]*"|[^;,()]+)/y;

const STEP_FIELDS: Readonly<Record<string, (step: Step) => Scalar>> = {
  id: (step) => step.stepId,
  name: (step) => step.name,
  output: (step) => step.output,
  status: (step) => step.status,
  stepNumber: (step) => step.stepNumber,
};

/**
 * Parses the value of the query parameter `parameter` (`filter[step]`) over rows of `type`.
 * @throws Refusal 400 for what cannot be read, for an unknown field, and for an unknown status.
 */
export function parseFilter(
  text: string,
  about: { readonly parameter: string; readonly type: 'job' | 'step' },
): Filter {
  const fault = (detail: string): Error => refuse(400, `Invalid query parameter: ${about.parameter}\n${detail}`);
  let at = 0;

  function parseList(separator: ',' | ';', parseItem: () => Filter): Filter[] {
    const items = [parseItem()];
    while (text[at] === separator) {
      at += 1;
      items.push(parseItem());
    }
    return items;
  }

  function parseOr(): Filter {
    const choices = parseList(',', parseAnd);
    return (row) => choices.some((choice) => choice(row));
  }

  function parseAnd(): Filter {
    const parts = parseList(';', parseConstraint);
    return (row) => parts.every((part) => part(row));
  }

  function parseConstraint(): Filter {
    if (text[at] === '(') {
      at += 1;
      const inner = parseOr();
      if (text[at] !== ')') throw fault('Invalid filter format');
      at += 1;
      return inner;
    }
    CONSTRAINT.lastIndex = at;
    const [whole, path, operator, values] = CONSTRAINT.exec(text) ?? [];
    if (whole === undefined || path === undefined || values === undefined) throw fault('Invalid filter format');
    at += whole.length;
    return buildConstraint(parseSelector(path, about.type, fault), operator, parseValues(path, values));
  }

  const filter = parseOr();
  if (at !== text.length) throw fault('Invalid filter format');
  return filter;
}

/**
 * Finds the value that a dotted path names.
 * @throws what `fault` makes of Elide's text.
 */
export function parseSelector(path: string, type: 'job' | 'step', fault: (detail: string) => Error): Selector {
  if (type === 'step') {
    const field = STEP_FIELDS[path];
    if (field !== undefined) return ({ step }) => (step === undefined ? null : field(step));
    if (path.startsWith('job.')) return parseSelector(path.slice('job.'.length), 'job', fault);
  } else {
    const field = jobField(path);
    if (field !== undefined) return field;
  }
  throw fault(`No such association ${path} for type ${type}`);
}

function jobField(path: string): Selector | undefined {
  if (path === 'id') return ({ job }) => job.id;
  if (path === 'status') return ({ job }) => job.row.status;
  if (path === 'organization.id') return ({ job }) => job.organizationId;
  if (path === 'workspace.id') return ({ job }) => job.workspaceId;
  if (path === 'createdDate' || path === 'updatedDate') throw notModelled(`a filter by ${path}`);
  if (!(path in NEW_JOB_VALUES)) return undefined;
  return ({ job }) => Object.entries(job.row.values).find(([name]) => name === path)?.[1] ?? null;
}

function parseValues(path: string, text: string): readonly string[] {
  const list = text.startsWith('(') ? text.slice(1, -1).split(',') : [text];
  const values = list.map((value) => value.trim().replace(/^(['"])(.*)\1$/, '$2'));
  const isStatus = path === 'status' || path === 'job.status';
  const strange = values.find((value) => isStatus && !JOB_STATUSES.some((status) => status === value));
  if (strange !== undefined) throw invalidValue(strange);
  // What Terrakube says to a number that its database cannot hold was never recorded.
  const odd = values.find((value) => path === 'job.id' && !(/^\d+$/.test(value) && Number(value) < 2 ** 31));
  if (odd !== undefined) throw notModelled(`a filter by the job ${odd}`);
  return values;
}

function buildConstraint(select: Selector, operator: string | undefined, values: readonly string[]): Filter {
  const isIn: Filter = (row) => values.includes(String(select(row)));
  return operator === '==' || operator === '=in=' ? isIn : (row) => !isIn(row);
}
