/**
 * The query parameters of JSON:API as Elide reads them: include, fields, filter, sort, page.
 */
import type { Fields } from './documents.ts';
import { invalidValue, notModelled } from './errors.ts';

/** A query, read. */
export interface Query {
  readonly include: readonly string[];
  fields(type: string): Fields;
  readonly parameters: URLSearchParams;
  readonly page: Page;
}

/** The page that is asked for. `isAsked` is false when no `page[…]` parameter was there: then the answer has no meta. */
export interface Page {
  readonly isAsked: boolean;
  readonly size: number;
  /** Counts from 1. */
  readonly number: number;
  readonly withTotals: boolean;
}

const DEFAULT_PAGE_SIZE = 500;
const MAX_PAGE_SIZE = 10_000;

/** Reads the query of a request. @throws Refusal 400 for a page that is too large. */
export function parseQuery(parameters: URLSearchParams): Query {
  const size = pageNumber(parameters, 'page[size]', DEFAULT_PAGE_SIZE);
  if (size > MAX_PAGE_SIZE) {
    throw invalidValue(`Pagination size must be less than or equal to ${MAX_PAGE_SIZE}`);
  }
  return {
    include: split(parameters.get('include')) ?? [],
    fields: (type) => split(parameters.get(`fields[${type}]`)),
    parameters,
    page: {
      isAsked: [...parameters.keys()].some((name) => name.startsWith('page[')),
      size,
      number: pageNumber(parameters, 'page[number]', 1),
      withTotals: parameters.has('page[totals]'),
    },
  };
}

/** Cuts one page out of all rows; totals beyond the last page read 0, as recorded. */
export function cutPage<T>(rows: readonly T[], page: Page): { readonly rows: readonly T[]; readonly meta?: object } {
  const { size, number, withTotals } = page;
  const cut = rows.slice((number - 1) * size, number * size);
  if (!page.isAsked) return { rows: cut };
  const totalRecords = cut.length === 0 ? 0 : rows.length;
  const totals = withTotals ? { totalPages: Math.ceil(totalRecords / size), totalRecords } : {};
  return { rows: cut, meta: { page: { number, limit: size, ...totals } } };
}

function split(text: string | null): readonly string[] | undefined {
  return text === null ? undefined : text.split(',').filter((part) => part !== '');
}

function pageNumber(parameters: URLSearchParams, name: string, otherwise: number): number {
  const text = parameters.get(name);
  if (text === null) return otherwise;
  if (!/^[1-9]\d*$/.test(text)) throw notModelled(`${name}=${text}`);
  return Number(text);
}
