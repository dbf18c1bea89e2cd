/**
 * Images that cannot be pulled. No image is ever pulled here; those of a registry that does not exist fail as they would on a
 * node, with the words of a kubelet on containerd.
 */

/** Registries under the domain that never resolves, unless the options name others. */
export const unreachableImages: RegExp = /^[^/]+\.invalid(:\d+)?\//;

/** What the runtime says about an image whose registry does not resolve. */
export function pullFailure(image: string): string {
  const [host = '', ...path] = image.split('/');
  const name = path.join('/');
  const [, repository = name, reference = 'latest'] = /^(.+?)(?:@|:)([^/]+)$/.exec(name) ?? [];
  const hostname = host.replace(/:\d+$/, '');
  return (
    `failed to pull and unpack image "${image}": failed to resolve image: failed to do request: ` +
    `Head "https://${host}/v2/${repository}/manifests/${reference}": dial tcp: lookup ${hostname}: no such host`
  );
}

/** From the failure to the report of the back-off, and the back-off itself: it doubles, as on a node. */
export const pullDelays: { readonly reportMs: number; readonly firstMs: number; readonly longestMs: number } = {
  reportMs: 500,
  firstMs: 10_000,
  longestMs: 300_000,
};
