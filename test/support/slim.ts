// Objects of Kubernetes as the reconciler's lists and watches bring them.
import { KEPT_PARTS } from '../../lib/domain/slim-objects.ts';
import { parseJsonParts } from '../../lib/schemas/json-parts.ts';

/** The object as it comes over the network: slim, and with times as text. */
export const slim = <T>(kind: keyof typeof KEPT_PARTS, object: T): T =>
  JSON.parse(JSON.stringify(parseJsonParts(Buffer.from(JSON.stringify(object)), KEPT_PARTS[kind])));
