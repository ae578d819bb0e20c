import { dirname, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkImport, findLayer, packageName } from '../eslint-rules/layering.ts';
import { errors } from '../src-main/base/errors.ts';
import { engine } from '../src-main/contract/engine.ts';
import { service } from '../src-main/contract/service.ts';
import { layers, packageOwners } from '../src-main/layers.ts';
import { families } from '../src-main/model/families/index.ts';
import { anyErrorDetail } from './support/interface-texts.ts';
import {
  buildImportGraph,
  listFiles,
  listFolders,
  listImports,
  readSource,
  removeComments,
  sourceFiles,
} from './support/source-files.ts';

describe('layers', () => {
  it('have no cycle', () => {
    const visit = (layer: string, path: readonly string[]): void => {
      expect(path, [...path, layer].join(' → ')).not.toContain(layer);
      for (const next of layers[layer]!.mayImport) visit(next, [...path, layer]);
    };
    for (const layer of Object.keys(layers)) visit(layer, []);
  });

  it('are the folders of src-main, and src-renderer', () => {
    expect([...listFolders('src-main'), 'src-renderer'].sort()).toEqual(Object.keys(layers).sort());
  });

  it('import only what they may, with every kind of import', () => {
    const forbidden = sourceFiles.flatMap((path) =>
      listImports(path)
        .flatMap((specifier) => checkImport(path, specifier) ?? [])
        .map((why) => `${path}: ${why}`),
    );
    expect(forbidden).toEqual([]);
  });

  it('of the std environment import no Node module and only packages with an owner', () => {
    const std = sourceFiles.filter((path) => layers[findLayer(path) ?? '']?.environment === 'std');
    expect(std.length).toBeGreaterThan(30);
    const packages = std.flatMap((path) =>
      listImports(path)
        .filter((specifier) => !specifier.startsWith('.') && !(packageName(specifier) in packageOwners))
        .map((specifier) => `${path}: ${specifier}`),
    );
    expect(packages).toEqual([]);
  });

  it('own packages through files and folders that exist', () => {
    const exists = (owner: string): boolean =>
      sourceFiles.some((path) => path.startsWith(`${owner}/`) || path === owner);
    for (const owner of Object.values(packageOwners).flat()) expect(exists(owner), owner).toBe(true);
  });

  it('do not import the engine', () => {
    const importsEngine = (path: string): boolean =>
      listImports(path).some(
        (specifier) => /(^|\/)engine\//.test(specifier) && !specifier.includes('contract'),
      );
    expect(sourceFiles.filter((path) => findLayer(path) !== 'engine' && importsEngine(path))).toEqual([]);
  });
});

/** The strongly connected components with more than one file, and files that import themselves (Tarjan). */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const visit = (file: string): void => {
    const index = order.size;
    order.set(file, index);
    low.set(file, index);
    stack.push(file);
    for (const target of graph.get(file) ?? []) {
      if (!order.has(target)) {
        visit(target);
        low.set(file, Math.min(low.get(file)!, low.get(target)!));
      } else if (stack.includes(target)) low.set(file, Math.min(low.get(file)!, order.get(target)!));
    }
    if (low.get(file) !== index) return;
    const component = stack.splice(stack.indexOf(file));
    if (component.length > 1 || graph.get(file)!.includes(file)) cycles.push(component.sort());
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return cycles;
}

describe('findCycles', () => {
  it('finds cycles of any length, and nothing in a graph without one', () => {
    const toGraph = (edges: Record<string, string[]>): Map<string, string[]> =>
      new Map(Object.entries(edges));
    expect(findCycles(toGraph({ a: ['b', 'c'], b: ['c'], c: [] }))).toEqual([]);
    expect(findCycles(toGraph({ a: ['b'], b: ['c'], c: ['b'], d: ['d'] }))).toEqual([['b', 'c'], ['d']]);
  });
});

describe('files', () => {
  const maxLines = 400;

  it('do not import themselves through other files, type imports included', () => {
    // A recursive component imports itself, and no other file.
    expect(findCycles(buildImportGraph()).filter((files) => files.length > 1)).toEqual([]);
  });

  it(`have less than ${maxLines} lines`, () => {
    const long = [...sourceFiles, ...listFiles('bin')]
      .map((path) => [path, readSource(path).split('\n').length - 1] as const)
      .filter(([, lines]) => lines >= maxLines);
    expect(long).toEqual([]);
  });

  it('start with a sentence that says what they do', () => {
    const head = /^(#!.*\n)?\/\*\*(\n \*)? @file [A-Z\w`]/;
    expect(sourceFiles.filter((path) => path.endsWith('.ts') && !head.test(readSource(path)))).toEqual([]);
  });

  it('have kebab-case names without words that say nothing', () => {
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.svelte)?\.(ts|svelte|css|html)$/;
    // A data table is a thing; a file of data could be anything.
    const vague = /(^|[/-])((utils?|helpers?|common|misc|managers?|handlers?)[.-]|(data|info)\.)/;
    expect(sourceFiles.map((path) => path.split('/').at(-1)!).filter((name) => !kebab.test(name))).toEqual(
      [],
    );
    expect(sourceFiles.filter((path) => vague.test(path))).toEqual([]);
  });

  it('name no model family outside of src-main/model/families', () => {
    const ids = new Set([...families.values()].flatMap((family) => [family.id, ...family.modelTypes]));
    expect(ids.size).toBeGreaterThan(1);
    const pattern = new RegExp(`\\b(${[...ids].join('|')})\\b`, 'i');
    // A program, and ids of tokenizers in GGUF files: names of other things that begin with a family's.
    const programs = /llama[.-](cpp|cli)/g;
    const tokenizerIds = /^src-main\/store\/data\/gguf-(vocabulary|pre-tokenizers)\.ts$/;
    const found = sourceFiles
      .filter((path) => !path.startsWith('src-main/model/families/') && !tokenizerIds.test(path))
      .filter((path) => pattern.test(removeComments(readSource(path)).replace(programs, '')));
    expect(found).toEqual([]);
  });

  it('have no TODO', () => {
    expect(sourceFiles.filter((path) => /\b(TODO|FIXME|XXX|HACK)\b/.test(readSource(path)))).toEqual([]);
  });
});

describe('errors', () => {
  it('are all used', () => {
    const code = sourceFiles
      .filter((path) => !path.startsWith('src-main/base/errors'))
      .map((path) => removeComments(readSource(path)))
      .join('\n');
    expect(Object.keys(errors).filter((name) => name !== 'internal' && !code.includes(`'${name}'`))).toEqual(
      [],
    );
  });

  it('have a sentence without its full stop, and a remedy of one sentence', () => {
    for (const [name, toText] of Object.entries(errors)) {
      const [sentence, remedy] = (toText as (detail: never) => readonly [string, string])(anyErrorDetail);
      expect(sentence, name).toMatch(/^\S(.*[^.\s])?$/s);
      expect(remedy, name).toMatch(/^\S.*[.?\d]$/s);
    }
  });
});

describe('contracts', () => {
  const missingIn = (folder: string, names: readonly string[]): string[] => {
    const code = sourceFiles
      .filter((path) => path.startsWith(folder))
      .map((path) => removeComments(readSource(path)))
      .join('\n');
    return names.filter((name) => !new RegExp(`\\b${name}\\b\\s*[:(,]`).test(code));
  };

  it('are implemented completely by the service and the engine', () => {
    expect(missingIn('src-main/service/', Object.keys(service))).toEqual([]);
    expect(missingIn('src-main/engine/', Object.keys(engine))).toEqual([]);
  });

  it('have only procedures that are used, on the command line or on the page', () => {
    const callers = sourceFiles
      .filter(
        (path) =>
          path.startsWith('src-main/entry/') ||
          path.startsWith('src-renderer/') ||
          // Both call the procedures of remote hosts through this file.
          path === 'src-main/contract/remote-channel.ts',
      )
      .map((path) => removeComments(readSource(path)))
      .join('\n');
    expect(Object.keys(service).filter((name) => !new RegExp(`\\.${name}\\b`).test(callers))).toEqual([]);
    const services = sourceFiles
      .filter((path) => path.startsWith('src-main/service/'))
      .map(readSource)
      .join('\n');
    expect(Object.keys(engine).filter((name) => !new RegExp(`\\.${name}\\(`).test(services))).toEqual([]);
  });
});

describe('the preview of components', () => {
  /** The files that a file imports, itself included, also through others. */
  const listReached = (path: string, reached = new Set<string>()): ReadonlySet<string> => {
    if (reached.has(path)) return reached;
    reached.add(path);
    for (const specifier of listImports(path))
      if (specifier.startsWith('.') && specifier.endsWith('.ts'))
        listReached(posix.join(dirname(path), specifier), reached);
    return reached;
  };

  it('imports no Node module, because it runs in a browser', () => {
    const files = [...listReached('tests/renderer/preview/main.ts')];
    expect(files).toContain('tests/cost/subjects.ts');
    const usesNode = (path: string): boolean => listImports(path).some((name) => name.startsWith('node:'));
    expect(files.filter(usesNode)).toEqual([]);
  });
});
