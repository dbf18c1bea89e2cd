import { describe, expect, test } from 'vitest';
import { lastWords, quote } from '../../lib/domain/quote.ts';

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJUZXJyYWt1YmUifQ.c2lnbmF0dXJl';

describe('a quotation', () => {
  test('is one line without control characters', () => {
    expect(quote(' a\n\tb\u0000c\u2028d \r\n')).toBe('a b c d');
  });

  test('is at most 200 characters long', () => {
    expect(quote('x y '.repeat(100))).toHaveLength(200);
    expect(quote('x y '.repeat(100)).endsWith('…')).toBe(true);
    expect(quote('a b c', 3)).toBe('a …');
  });

  test.each([
    ['https://user:hunter2@registry.example/v2', 'https://***@registry.example/v2'],
    ['Authorization: Bearer abc.def', 'Authorization: Bearer ***'],
    ['GET /token?service=x&access_token=hunter2&y=1', 'GET /token?service=x&access_token=***&y=1'],
    ['password="hunter2 x"', 'password="*** x"'],
    ['X-Amz-Signature=0a1b2c', 'X-Amz-Signature=***'],
    [`the token is ${JWT}, it says`, 'the token is ***, it says'],
    ['cloning with ghp_vcsTokenOfTheWorkspace', 'cloning with ***'],
    ['glpat-abcdefgh1234 and xoxb-1234567890', '*** and ***'],
    ['key AKIAIOSFODNN7EXAMPLE', 'key ***'],
    ['body c2VjcmV0IG9mIHRoZSB3b3Jrc3BhY2U5', 'body ***'],
    ['key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 'key ***'],
  ])('holds no secret: %s', (text, expected) => {
    expect(quote(text)).toBe(expected);
  });

  test.each([
    'secret "terrakube-executor-secrets" not found',
    'failed to fetch anonymous token: unexpected status',
    'docker.io/azbuilder/executor@sha256:0263829989b6fd954f72baaf2fc64bc2e2f01d692d4de72986ea808f6e99813f',
    'Pod job-17-0123456789-abcde of step 3fed47b3-cbb9-427c-b9e7-5bc0469c7201',
    "couldn't find key EphemeralJobData in Secret terrakube/job-17-0123456789",
    'https://registry.example/v2/missing/executor/manifests/sha256/9 is not there',
    '0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }.',
  ])('keeps what is none: %s', (text) => {
    expect(quote(text)).toBe(text);
  });
});

describe('the last words of a container', () => {
  test.each([
    ['first\nlast\n\n', 'last'],
    ['{"result":"failed","code":7}\n', '{"result":"failed","code":7}'],
    ['', ''],
    ['\n \n', ''],
    [
      'Caused by: java.net.ConnectException: refused\n\tat java.base/x.y(Z.java:1)\n\t... 23 common frames omitted\n',
      'Caused by: java.net.ConnectException: refused',
    ],
    ['\tat a.b(C.java:1)', ''],
    ['password: hunter2', 'password: ***'],
    ['"accessToken": "hunter2"', '"accessToken": "***"'],
    ['InternalSecret: hunter2, done', 'InternalSecret: ***, done'],
    [`Bearer ${JWT}`, 'Bearer ***'],
  ])('%j', (message, expected) => {
    expect(lastWords(message)).toBe(expected);
  });

  test('are cut', () => {
    expect(lastWords(`a\n${'x y '.repeat(100)}`)).toHaveLength(200);
  });
});
