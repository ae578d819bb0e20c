import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { layerOf, refusal } from '../eslint-rules/layering.ts';
import { errors } from '../src-main/base/errors.ts';
import { engine } from '../src-main/contract/engine.ts';
import { service } from '../src-main/contract/service.ts';
import { layers, owners } from '../src-main/layers.ts';
import { families } from '../src-main/model/families/index.ts';

const root = join(import.meta.dirname, '..');
/** Paths below the root of every file of a folder. */
const under = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll('\\', '/'),
    );
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const code = /\.(ts|svelte|mjs|css)$/;
const sources = [...under('src-main'), ...under('src-renderer')].filter((path) => code.test(path));
const most = 400;
const scriptOf = (path: string): string =>
  path.endsWith('.svelte') ? (/<script[^>]*>([\s\S]*?)<\/script>/.exec(read(path))?.[1] ?? '') : read(path);
const importsOf = (path: string): string[] =>
  ts.preProcessFile(scriptOf(path), true, true).importedFiles.map((file) => file.fileName);
const packageOf = (specifier: string): string =>
  specifier.startsWith('node:')
    ? specifier
    : specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
/** Source without comments: what is said about a thing does not use it. */
const bare = (text: string): string =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '$1')
    .replace(/<!--[\s\S]*?-->/g, '');

describe('layers', () => {
  it('have no cycle', () => {
    const visit = (layer: string, path: readonly string[]): void => {
      expect(path, `${[...path, layer].join(' → ')}`).not.toContain(layer);
      for (const next of layers[layer]!.mayImport) visit(next, [...path, layer]);
    };
    for (const layer of Object.keys(layers)) visit(layer, []);
  });

  it('name every folder, and only folders', () => {
    const folders = readdirSync(join(root, 'src-main'), { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name);
    expect([...folders, 'src-renderer'].sort()).toEqual(Object.keys(layers).sort());
  });

  it('import only what they may: every file, every kind of import', () => {
    const refused = sources.flatMap((path) =>
      importsOf(path)
        .flatMap((specifier) => refusal(path, specifier) ?? [])
        .map((why) => `${path}: ${why}`),
    );
    expect(refused).toEqual([]);
  });

  it('std layers import nothing of Node and no package but those they own', () => {
    const std = sources.filter((path) => layers[layerOf(path) ?? '']?.environment === 'std');
    expect(std.length).toBeGreaterThan(30);
    const packages = std.flatMap((path) =>
      importsOf(path)
        .filter((s) => !s.startsWith('.') && !(packageOf(s) in owners))
        .map((s) => `${path}: ${s}`),
    );
    expect(packages).toEqual([]);
  });

  it('have owners that exist', () => {
    for (const places of Object.values(owners))
      for (const place of places)
        expect(
          sources.some((path) => path.startsWith(`${place}/`) || path === place),
          place,
        ).toBe(true);
  });

  it('nobody imports the engine', () => {
    expect(
      sources.filter(
        (path) =>
          layerOf(path) !== 'engine' &&
          importsOf(path).some((s) => /(^|\/)engine\//.test(s) && !s.includes('contract')),
      ),
    ).toEqual([]);
  });
});

describe('files', () => {
  it(`are shorter than ${most} lines`, () => {
    const long = [...sources, ...under('bin')]
      .map((path) => [path, read(path).split('\n').length - 1] as const)
      .filter(([, lines]) => lines >= most);
    expect(long).toEqual([]);
  });

  it('open with a sentence that says what they are for', () => {
    expect(
      sources.filter((path) => path.endsWith('.ts') && !/^(#!.*\n)?\/\*\*(\n \*)? @file [A-Z\w`]/.test(read(path))),
    ).toEqual([]);
  });

  it('have names of their own: kebab-case, and none of the words that say nothing', () => {
    const names = sources.map((path) => path.split('/').at(-1)!);
    expect(
      names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.svelte)?\.(ts|svelte|css|html)$/.test(name)),
    ).toEqual([]);
    expect(
      sources.filter((path) =>
        /(^|[/-])(utils?|helpers?|common|misc|managers?|handlers?|data|info)[.-]/.test(path),
      ),
    ).toEqual([]);
  });

  it('mention no family outside its own table', () => {
    const ids = [...families.values()].flatMap((family) => [family.id, ...family.modelTypes]);
    expect(ids.length).toBeGreaterThan(1);
    const pattern = new RegExp(`\\b(${[...new Set(ids)].join('|')})\\b`, 'i');
    const found = sources
      .filter((path) => !path.startsWith('src-main/model/families/'))
      .filter((path) => pattern.test(bare(read(path))));
    expect(found).toEqual([]);
  });

  it('leave nothing for later', () => {
    expect(sources.filter((path) => /\b(TODO|FIXME|XXX|HACK)\b/.test(read(path)))).toEqual([]);
  });
});

describe('errors', () => {
  const texts = new Map(
    sources.filter((path) => path !== 'src-main/base/errors.ts').map((path) => [path, bare(read(path))]),
  );
  const all = [...texts.values()].join('\n');

  it('are all used', () => {
    expect(Object.keys(errors).filter((name) => name !== 'internal' && !all.includes(`'${name}'`))).toEqual(
      [],
    );
  });

  it('have a sentence without its stop, and a remedy', () => {
    const anything: unknown = new Proxy(
      {},
      {
        get: (_, key) =>
          ['names', 'known', 'nearest', 'methods', 'found', 'expected', 'possible', 'tried', 'fits'].includes(
            String(key),
          )
            ? ['a', 'b']
            : key === 'shapes'
              ? '[1]'
              : '1',
      },
    );
    for (const [name, words] of Object.entries(errors)) {
      const [sentence, remedy] = (words as (detail: never) => readonly [string, string])(anything as never);
      expect(sentence, name).toMatch(/^\S(.*[^.\s])?$/s);
      expect(remedy, name).toMatch(/^\S.*[.?\d]$/s);
    }
  });
});

describe('contracts', () => {
  const keysOf = (path: string, names: readonly string[]): string[] =>
    names.filter((name) => !new RegExp(`\\b${name}\\b\\s*[:(,]`).test(bare(read(path))));

  it('are implemented whole, by the service and by the engine', () => {
    expect(keysOf('src-main/service/service.ts', Object.keys(service))).toEqual([]);
    expect(keysOf('src-main/engine/main.ts', Object.keys(engine))).toEqual([]);
  });

  it('have every procedure in use: on the command line or in the page', () => {
    // What both use to reach a place is the contract's own.
    const users = sources
      .filter(
        (path) =>
          path.startsWith('src-main/entry/') ||
          path.startsWith('src-renderer/') ||
          path === 'src-main/contract/remote-channel.ts',
      )
      .map((path) => bare(read(path)))
      .join('\n');
    expect(Object.keys(service).filter((name) => !new RegExp(`\\.${name}\\b`).test(users))).toEqual([]);
    const services = sources
      .filter((path) => path.startsWith('src-main/service/'))
      .map(read)
      .join('\n');
    expect(Object.keys(engine).filter((name) => !new RegExp(`\\.${name}\\(`).test(services))).toEqual([]);
  });
});
