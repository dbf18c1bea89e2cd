// JSON that may be broken: the schemas that follow refuse `undefined` like any other wrong value.

// A byte order mark is kept, and then is not JSON: Terrakube's reader would not take it either.
const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** JSON in UTF-8, or undefined. */
export function parseJsonBytes(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}

/** JSON, or undefined. */
export function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
