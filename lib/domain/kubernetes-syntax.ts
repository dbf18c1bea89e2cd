// What Kubernetes takes as a name, a label or an annotation. It is checked here because the API server's own refusal comes
// after the user has waited, and names a field of the Job instead of the variable that was set.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/names/

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const MAX_NAME = 253;

/** Sum of all keys and values of an object's annotations, in bytes of UTF-8. */
export const MAX_ANNOTATION_BYTES = 262_144;

/** Name of a ServiceAccount, ConfigMap, Secret, PersistentVolumeClaim or PriorityClass: a DNS subdomain, 253 at most. */
export const isObjectName = (text: string): boolean => text.length <= MAX_NAME && SUBDOMAIN.test(text);

/** Key of a label, annotation, node selector or taint: a name of at most 63, perhaps after a DNS subdomain and `/`. */
export function isKey(text: string): boolean {
  const divider = text.indexOf('/');
  return LABEL_NAME.test(text.slice(divider + 1)) && (divider < 0 || isObjectName(text.slice(0, divider)));
}

/** Value of a label, node selector or taint: empty, or at most 63 of letters, digits, `-`, `_`, `.` between two of the first. */
export const isLabelValue = (text: string): boolean => text === '' || LABEL_NAME.test(text);

/** Name of an environment variable, as every version of Kubernetes takes it. */
export const isEnvName = (text: string): boolean => /^[A-Za-z_][-A-Za-z0-9_.]*$/.test(text);

/** A path that a volume can be mounted at: absolute, not the root, without `:`, `..` and control characters. */
export const isMountPath = (text: string): boolean =>
  /^(\/(?!\.\.?(\/|$))[^/:\p{Cc}]+)+\/?$/u.test(text) && text.length <= MAX_PATH;
/** Linux's own limit for a path. */
const MAX_PATH = 4096;

/** Says whether one path lies within the other, or both are the same; neither ends with `/`. */
export const pathsOverlap = (one: string, other: string): boolean =>
  `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`);

/** Size of annotations as the API server counts it. */
export const annotationBytes = (annotations: Readonly<Record<string, string>>): number =>
  Object.entries(annotations).reduce((sum, pair) => sum + Buffer.byteLength(pair.join(''), 'utf8'), 0);
