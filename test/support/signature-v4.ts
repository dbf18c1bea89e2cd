/**
 * Signature version 4 of a presigned GET of `/`, by hand from its specification: it shares no code with the product's signer.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
import { createHash, createHmac } from 'node:crypto';

/** A request without its signature. Date, scope and the names of the signed headers are in its query, decoded. */
export interface PresignedGet {
  readonly query: Readonly<Record<string, string>>;
  /** Values by lower-case name; those that are not signed do not count. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly secretAccessKey: string;
}

/** What X-Amz-Signature has to be, in hex. */
export function signatureOf({ query, headers, secretAccessKey }: PresignedGet): string {
  const { 'X-Amz-Credential': credential = '', 'X-Amz-Date': date = '', 'X-Amz-SignedHeaders': names = '' } = query;
  const parameters = Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const signed = names.split(';').map((name) => `${name}:${headers[name] ?? ''}`);
  const canonical = ['GET', '/', parameters, ...signed, '', names, hash('')].join('\n');
  const scope = credential.split('/').slice(1);
  const toSign = ['AWS4-HMAC-SHA256', date, scope.join('/'), hash(canonical)].join('\n');
  const key = scope.reduce<string | Buffer>(mac, `AWS4${secretAccessKey}`);
  return mac(key, toSign).toString('hex');
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

const mac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
