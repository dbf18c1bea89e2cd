import { describe, expect, test } from 'vitest';
import { createPathSecret } from '../../lib/clients/path-secret.ts';
import { createFixedSecret } from '../../lib/clients/secrets.ts';
import { NOON } from '../support/builders.ts';
import { createSecretDouble } from '../support/secret-double.ts';

const verify = (segment: string, secret: string) => createPathSecret(createFixedSecret(secret)).verify(segment, NOON);

describe('the secret of the URL', () => {
  test.each([
    ['as it is', 's3cret-of-the-path', 's3cret-of-the-path'],
    ['with a stray newline in the setting', 's3cret-of-the-path', 's3cret-of-the-path\n'],
    ['percent-encoded, as a gateway may hand it on', 'a%20b%2Fc%C3%BC', 'a b/cü'],
    ['decoded, as another gateway does', 'a b/cü', 'a b/cü'],
    ['with a percent sign of its own', '100%', '100%'],
    ['that looks encoded and is meant so', '%41', '%41'],
  ])('is accepted %s', async (_, segment, secret) => {
    expect(await verify(segment, secret)).toBe(true);
  });

  test.each([
    ['another one', 'other', 'secret'],
    ['one that only begins like it', 'secre', 'secret'],
    ['one that goes on after it', 'secret2', 'secret'],
    ['another case', 'Secret', 'secret'],
    ['nothing', '', 'secret'],
    ['a space before it', ' secret', 'secret'],
    ['broken percent-encoding', '%E0%A4', 'secret'],
  ])('is refused: %s', async (_, segment, secret) => {
    expect(await verify(segment, secret)).toBe(false);
  });

  test('is read again when it differs, and the new one is used from then on', async () => {
    const secret = createSecretDouble('old');
    secret.rotate('new');
    const verifier = createPathSecret(secret);
    expect([
      await verifier.verify('old', NOON),
      await verifier.verify('new', NOON),
      await verifier.verify('old', NOON),
    ]).toEqual([true, true, false]);
    expect(secret.refreshes()).toBe(2);
  });
});
