// JSON of which little is wanted. What nobody reads is cut out of the bytes before it becomes objects, and the items of a
// page become objects one by one: those of all of them would be garbage only when V8 has already made them old.
import type { Parts } from '../domain/slim-objects.ts';
import { parseJsonBytes } from './json.ts';

/**
 * Reads these parts of a JSON text in UTF-8; undefined when it is none. What is cut out is looked at no closer than for
 * its end. An object of which nothing is kept is left out of its list.
 *
 * @param bytes are used up: what is kept of them moves to the front, and then they are given back.
 * @param itemOf what becomes of an item of a list that the outermost object has under this name, before the next one is
 *   read; not of a list that is kept whole.
 */
export function parseJsonParts(
  bytes: Buffer<ArrayBuffer>,
  parts: Parts,
  itemOf: (item: unknown, list: string) => unknown = (item) => item,
): unknown {
  const text: Text = { bytes, at: 0, to: 0, lists: {}, itemOf };
  try {
    keepValue(text, keysOf(parts));
    if (next(text) !== undefined) return undefined;
    const value: unknown = Object.assign(Object(parse(text, 0)), text.lists);
    // V8 collects by what is in its heap, and there may be a hundred pages outside of it until then.
    if (bytes.byteLength === bytes.buffer.byteLength) bytes.buffer.transfer(0);
    return value;
  } catch {
    return undefined;
  }
}

/** A text that is read from the front to the end, while what is kept of it is written over what was read. */
interface Text {
  readonly bytes: Buffer;
  /** Where the next byte is read. */
  at: number;
  /** Where the next byte is kept, never behind `at`. */
  to: number;
  /** Items of the lists of the outermost object, by the names of the lists. */
  readonly lists: Record<string, unknown[]>;
  readonly itemOf: (item: unknown, list: string) => unknown;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
/** From an opening bracket to its closing one. */
const TO_END = 2;
/** Tells `[` from `{`, and `]` from `}`. */
const CURLY = 0x20;

/** @throws SyntaxError when what was kept since is no JSON. */
function parse({ bytes, to }: Text, from: number): unknown {
  const value = parseJsonBytes(bytes.subarray(from, to));
  if (value === undefined) throw new SyntaxError();
  return value;
}

/** A key that is looked for. What it leads to is kept whole, or of it what these keys lead to. */
interface Key {
  readonly name: string;
  readonly keys: readonly Key[] | undefined;
}

/** Parts as they are looked for: every member of a page is held against some of them. */
const keysOf = (parts: Parts): readonly Key[] =>
  Object.entries(parts).map(([name, part]) => ({ name, keys: part === true ? undefined : keysOf(part) }));

/** Reads a value. @param name of a member of the outermost object. @returns whether it is more than an empty object. */
function keepValue(text: Text, keys: readonly Key[], name?: string): boolean {
  const first = next(text) ?? 0;
  if (!isOpening(first)) {
    keep(text, skipValue(text));
    return true;
  }
  const isOutermost = text.to === 0;
  const end = first + TO_END;
  text.at += 1;
  put(text, first);
  const start = text.to;
  if (name !== undefined && first !== OBJECT) text.lists[name] = [];
  for (let isMore = next(text) !== end || goesOn(text, end); isMore; isMore = goesOn(text, end)) {
    const before = text.to;
    if (before > start) put(text, COMMA);
    const isKept = first === OBJECT ? keepMember(text, keys, isOutermost) : keepItem(text, keys, name);
    if (!isKept) text.to = before;
  }
  put(text, end);
  return text.to > start + 1 || first !== OBJECT;
}

/** @returns whether it is a part. */
function keepMember(text: Text, keys: readonly Key[], isOutermost: boolean): boolean {
  if (next(text) !== QUOTE) throw new SyntaxError();
  const from = skipValue(text);
  const key = keyAt(text, keys, from);
  if (next(text) !== COLON) throw new SyntaxError();
  text.at += 1;
  if (key?.keys) {
    keep(text, from);
    keepValue(text, key.keys, isOutermost ? key.name : undefined);
    return true;
  }
  next(text);
  skipValue(text);
  if (key) keep(text, from);
  return key !== undefined;
}

/** @returns whether it stays in the text. */
function keepItem(text: Text, keys: readonly Key[], name: string | undefined): boolean {
  const from = text.to;
  const isKept = keepValue(text, keys);
  if (name === undefined || !isKept) return isKept;
  text.lists[name]?.push(text.itemOf(parse(text, from), name));
  return false;
}

/** The one of the keys that was just read. One with escapes is none that anybody reads. */
function keyAt({ bytes, at }: Text, keys: readonly Key[], from: number): Key | undefined {
  const length = at - from - 2;
  for (const key of keys) if (key.name.length === length && isAt(bytes, from + 1, key.name)) return key;
  return undefined;
}

function isAt(bytes: Buffer, from: number, name: string): boolean {
  for (let at = 0; at < name.length; at += 1) if (bytes[from + at] !== name.charCodeAt(at)) return false;
  return true;
}

/** Steps over what is between two members or items, or the closing bracket. @returns whether there is another. */
function goesOn(text: Text, end: number): boolean {
  const found = next(text);
  if (found !== COMMA && found !== end) throw new SyntaxError();
  text.at += 1;
  return found === COMMA;
}

/** The byte that is no space; undefined at the end. */
function next(text: Text): number | undefined {
  while ((text.bytes[text.at] ?? SPACE + 1) <= SPACE) text.at += 1;
  return text.bytes[text.at];
}

/** Steps over an object, a list or a string, or over a word or number to where something else begins. @returns where it is. */
function skipValue(text: Text): number {
  const { bytes, at: from } = text;
  const first = bytes[from] ?? 0;
  text.at =
    first === QUOTE ? endOfString(bytes, from) : isOpening(first) ? endOfBrackets(bytes, from) : endOfWord(bytes, from);
  return from;
}

/** @param at of the opening quotation mark. @returns the place behind the closing one. */
function endOfString(bytes: Buffer, at: number): number {
  let end = at + 1;
  for (; bytes[end] !== QUOTE; end += 1) {
    if (bytes[end] === BACKSLASH) end += 1;
    if (end >= bytes.length) throw new SyntaxError();
  }
  return end + 1;
}

/** @param from of the opening bracket. @returns the place behind the closing one. */
function endOfBrackets(bytes: Buffer, from: number): number {
  let at = from;
  for (let depth = 0; at < bytes.length; ) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      continue;
    }
    at += 1;
    if (isOpening(byte)) depth += 1;
    else if ((byte | CURLY) === OBJECT_END) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  throw new SyntaxError();
}

function endOfWord(bytes: Buffer, from: number): number {
  let at = from;
  while (isOfWord(bytes[at])) at += 1;
  if (at === from) throw new SyntaxError();
  return at;
}

const isOpening = (byte: number): boolean => (byte | CURLY) === OBJECT;

const isOfWord = (byte = SPACE): boolean =>
  byte > SPACE && byte !== QUOTE && byte !== COMMA && !isOpening(byte) && (byte | CURLY) !== OBJECT_END;

/** Keeps what was read since. */
function keep(text: Text, from: number): void {
  text.bytes.copyWithin(text.to, from, text.at);
  text.to += text.at - from;
}

function put(text: Text, byte: number): void {
  text.bytes[text.to] = byte;
  text.to += 1;
}
