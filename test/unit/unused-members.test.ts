import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TrimmedClasses, withoutUnusedMembers } from '../../tools/bundle/unused-members.ts';

const SHOP = `/** A shop; see {@link Shop.close}. */
export class Shop {
    #till = new Map();
    #alarm = {
        isOn: false,
    };
    get open() {
        return true;
    }
    sell(what) {
        this.#ring();
        return \`\${what} sold\`;
    }
    /** Rings, unlike close(). */
    #ring() {
        this.bell();
    }
    bell() {
        throw new Error('too loud');
    }
    /* c8 ignore next */ close() {
        this.#alarm.isOn = true;
        this.lock();
    }
    lock() {
        this.#till.clear();
    }
}
`;

describe('classes without unused members', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'unused-members-'));
    mkdirSync(path.join(root, 'packages'));
    writeFileSync(path.join(root, 'packages', 'shop.js'), SHOP);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const CALLER = `import { Shop } from './packages/shop.js';\nconsole.log(new Shop().sell('tea'));\n`;

  /** Bundles the caller. @returns the bundle, or what it failed with. */
  async function bundled(options: Partial<TrimmedClasses> = {}, caller = CALLER): Promise<string | readonly string[]> {
    const trim = withoutUnusedMembers(root, {
      name: 'trim',
      folder: 'packages',
      files: ['shop.js'],
      callers: [caller],
      ...options,
    });
    try {
      const { outputFiles } = await build({
        absWorkingDir: root,
        stdin: { contents: caller, resolveDir: root },
        bundle: true,
        write: false,
        logLevel: 'silent',
        format: 'esm',
        plugins: [trim],
      });
      return outputFiles[0]?.text ?? '';
    } catch (error) {
      const errors: readonly { readonly text: string }[] = Reflect.get(Object(error), 'errors');
      return errors.map(({ text }) => text);
    }
  }

  const MEMBERS = ['#till', '#alarm', 'get open', 'sell', '#ring', 'bell', 'close', 'lock'];
  const membersIn = (bundle: string | readonly string[]): readonly string[] =>
    MEMBERS.filter((name) => new RegExp(`^  ${name}\\b`, 'm').test(String(bundle)));

  test('keep what is called, and what that calls', async () => {
    expect(membersIn(await bundled())).toEqual(['sell', '#ring', 'bell']);
  });

  test('keep a member and all that it calls when a caller names it', async () => {
    const caller = `${CALLER}export const close = (shop) => shop.close();\n`;
    expect(membersIn(await bundled({}, caller))).toEqual(MEMBERS.filter((name) => name !== 'get open'));
  });

  test('keep a called member with nothing in it when it is to be emptied, and drop what it calls', async () => {
    const text = await bundled({ emptied: { '#ring': 'nobody hears it' } });
    expect(membersIn(text)).toEqual(['sell', '#ring']);
    expect(text).toMatch(/#ring\(\) \{\n {2}\}/);
  });

  test('keep every line where it was, for the source map', async () => {
    const plain = SHOP.split('\n').findIndex((line) => line.includes('too loud'));
    const seen: string[] = [];
    await build({
      absWorkingDir: root,
      stdin: { contents: CALLER.replace("'tea'", "'tea', 1"), resolveDir: root },
      bundle: true,
      write: false,
      logLevel: 'silent',
      format: 'esm',
      sourcemap: 'external',
      outfile: 'out.js',
      plugins: [
        withoutUnusedMembers(root, { name: 'trim', folder: 'packages', files: ['shop.js'], callers: [CALLER] }),
      ],
    }).then(({ outputFiles }) => {
      const map: { sourcesContent: readonly string[] } = JSON.parse(outputFiles[0]?.text ?? '{}');
      seen.push(...map.sourcesContent);
    });
    expect(seen[0]?.split('\n').findIndex((line) => line.includes('too loud'))).toBe(plain);
  });

  describe('fail the build', () => {
    test('when nothing is to be dropped any more', async () => {
      const all = `${CALLER}export const use = (shop) => [shop.open, shop.close()];\n`;
      expect(await bundled({}, all)).toEqual(['trim: there is nothing to drop']);
    });

    test('when a member that is to be emptied is gone, or is not called any more', async () => {
      expect(await bundled({ emptied: { '#whisper': 'gone', lock: 'not called' } })).toEqual([
        'trim: #whisper is not called',
        'trim: lock is not called',
      ]);
    });

    test('when a caller of ours calls a member that is to be emptied', async () => {
      expect(await bundled({ emptied: { sell: 'called' } })).toEqual(['trim: sell is emptied, and called']);
    });

    test('when another file of the packages calls what is dropped', async () => {
      writeFileSync(
        path.join(root, 'packages', 'night.js'),
        `import { Shop } from './shop.js';\nexport const night = (shop = new Shop()) => shop.close();\n`,
      );
      const caller = `${CALLER}import { night } from './packages/night.js';\nnight();\n`;
      expect(await bundled({}, caller)).toEqual(['trim: close is called']);
    });

    test('when a file is not in the bundle any more', async () => {
      expect(await bundled({}, 'console.log(1);')).toEqual([
        `trim: ${path.join(root, 'packages', 'shop.js')} is not met`,
      ]);
    });
  });
});
