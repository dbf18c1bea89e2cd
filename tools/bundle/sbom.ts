// What the bundles are made of, as a CycloneDX document. Only packages that have code in a bundle are in it, each with the
// function that holds it. It has no date and no serial number: the same source gives the same bytes.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ComponentType, HashAlgorithm } from '@cyclonedx/cyclonedx-library/Enums';
import { Bom, Component, SpdxLicense } from '@cyclonedx/cyclonedx-library/Models';
import { JSON as Json, JsonSerializer } from '@cyclonedx/cyclonedx-library/Serialize';
import { isSupportedSpdxId } from '@cyclonedx/cyclonedx-library/SPDX';
import { Spec1dot6 } from '@cyclonedx/cyclonedx-library/Spec';
import type { BundleFile } from './bundle-function.ts';

/** A function as it is released. */
export interface ReleasedFunction {
  /** As in functions/. */
  readonly name: string;
  readonly files: readonly BundleFile[];
  /** SHA-256 of its zip, in hex. */
  readonly sha256: string;
}

/** What package.json says about a package. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/**
 * Writes the document.
 *
 * @returns JSON text.
 * @throws Error when a package has no licence with an SPDX id.
 */
export function writeSbom(root: string, functions: readonly ReleasedFunction[]): string {
  const lock: { readonly packages: Readonly<Record<string, { readonly integrity?: string }>> } = JSON.parse(
    readFileSync(path.join(root, 'package-lock.json'), 'utf8'),
  );
  const bom = new Bom();
  const project = readManifest(root, '.');
  const product = componentOf(ComponentType.Application, project);
  bom.metadata.component = product;

  const folders = [...new Set(functions.flatMap(foldersOf))].sort();
  const libraries = new Map(
    folders.map((folder) => {
      const manifest = readManifest(root, folder);
      const library = componentOf(ComponentType.Library, manifest);
      const [, sha512] = /^sha512-(.+)$/.exec(lock.packages[folder]?.integrity ?? '') ?? [];
      if (sha512) library.hashes.set(HashAlgorithm['SHA-512'], Buffer.from(sha512, 'base64').toString('hex'));
      bom.components.add(library);
      return [folder, { manifest, library }] as const;
    }),
  );
  for (const [folder, { manifest, library }] of libraries) {
    for (const wanted of Object.keys(manifest.dependencies ?? {})) {
      const found = libraries.get(whereFrom(folder, wanted, libraries) ?? '');
      if (found) library.dependencies.add(found.library.bomRef);
    }
  }
  for (const released of functions) {
    const component = componentOf(ComponentType.Application, { ...project, name: `${project.name}-${released.name}` });
    component.hashes.set(HashAlgorithm['SHA-256'], released.sha256);
    for (const folder of foldersOf(released)) {
      const found = libraries.get(folder);
      if (found) component.dependencies.add(found.library.bomRef);
    }
    bom.components.add(component);
    product.dependencies.add(component.bomRef);
  }
  const serializer = new JsonSerializer(new Json.Normalize.Factory(Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

const foldersOf = ({ files }: ReleasedFunction): readonly string[] => files.flatMap((file) => file.packageFolders);

function readManifest(root: string, folder: string): Manifest {
  return JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8'));
}

function componentOf(type: ComponentType, { name, version, license }: Manifest): Component {
  if (!isSupportedSpdxId(license)) throw new Error(`${name}@${version}: "${license}" is no SPDX id of a licence`);
  const isLibrary = type === ComponentType.Library;
  const component = new Component(type, name, { version, bomRef: `${name}@${version}` });
  if (isLibrary) component.purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  component.licenses.add(new SpdxLicense(license));
  return component;
}

/** The folder from which Node would load a package for another one. */
function whereFrom(folder: string, wanted: string, known: ReadonlyMap<string, unknown>): string | undefined {
  const parents = folder
    .split('/node_modules/')
    .map((_, index, parts) => parts.slice(0, index + 1).join('/node_modules/'));
  const candidates = [
    ...parents.toReversed().map((parent) => `${parent}/node_modules/${wanted}`),
    `node_modules/${wanted}`,
  ];
  return candidates.find((candidate) => known.has(candidate));
}
