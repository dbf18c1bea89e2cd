// The key that Terrakube signs with. It must be read exactly as Terrakube's own library (jjwt) reads it, or a stray
// newline in a Kubernetes Secret gives two different keys.

/** The key, or what is wrong with the text. The problem never quotes the secret. */
export type KeyOrProblem = { readonly key: Uint8Array } | { readonly problem: string };

/** HS256 wants a key as long as its hash, and jjwt takes no shorter one. */
const MIN_BYTES = 32;

/**
 * Decodes `InternalSecret`: base64url, with stray characters at its two ends trimmed, as jjwt does.
 *
 * @see https://github.com/jwtk/jjwt (Base64.decodeFast)
 */
export function internalSecretKey(text: string): KeyOrProblem {
  const trimmed = text.replace(/^[^A-Za-z0-9_=-]+|[^A-Za-z0-9_=-]+$/g, '').replace(/=+$/, '');
  if (trimmed === '') return { problem: 'InternalSecret is empty; use the value that the Terrakube API has' };
  if (/[^A-Za-z0-9_-]/.test(trimmed)) {
    return {
      problem:
        "InternalSecret is not base64url (it holds a character such as '+' or '/'); Terrakube cannot use it either",
    };
  }
  const key = Buffer.from(trimmed, 'base64url');
  return key.byteLength < MIN_BYTES
    ? { problem: `InternalSecret is shorter than ${MIN_BYTES} bytes; Terrakube cannot use it either` }
    : { key };
}
