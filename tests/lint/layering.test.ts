import { RuleTester } from 'eslint';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layering, findLayer, checkImport } from '../../eslint-rules/layering.ts';

const root = join(import.meta.dirname, '../..');

describe('layering', () => {
  it('finds the layer of a path', () => {
    expect(
      [
        'src-main/graph/ops/index.ts',
        'src-renderer/main.ts',
        'src-main/layers.ts',
        'tests/x.ts',
        'src-main/nonsense/x.ts',
      ].map(findLayer),
    ).toEqual(['graph', 'src-renderer', undefined, undefined, undefined]);
  });

  it.each([
    ['src-main/graph/a.ts', '../model/b.ts', "'graph' may not import 'model'; it may import: base, tensor."],
    ['src-main/base/a.ts', '../tensor/b.ts', "'base' may not import 'tensor'; it may import: nothing."],
    ['src-main/service/a.ts', '../engine/main.ts', "'service' may not import 'engine'"],
    ['src-main/entry/node/a.ts', '../../store/b.ts', "'entry' may not import 'store'"],
    ['src-renderer/pages/a.svelte', '../../src-main/store/b.ts', "'src-renderer' may not import 'store'"],
    ['src-main/base/a.ts', 'node:fs', "'base' has no Node."],
    ['src-renderer/a.ts', 'node:path', "'src-renderer' has no Node."],
    ['src-main/service/a.ts', 'node:fs', "'node:fs' belongs to"],
    ['src-main/store/a.ts', 'koffi', "'koffi' belongs to src-main/engine/ort."],
    ['src-main/engine/a.ts', 'onnxruntime-node/package.json', "'onnxruntime-node' belongs to"],
    ['src-main/entry/node/a.ts', 'electron', "'electron' belongs to src-main/entry/desktop."],
    ['src-main/service/a.ts', 'tokenizers', "'tokenizers' belongs to src-main/store/data."],
  ])('forbids %s to import %s', (from, specifier, message) => {
    expect(checkImport(from, specifier)).toContain(message);
  });

  it.each([
    ['src-main/graph/a.ts', './b.ts'],
    ['src-main/graph/a.ts', '../tensor/b.ts'],
    ['src-main/engine/ort/a.ts', 'koffi'],
    ['src-main/engine/a.ts', './ort/b.ts'],
    ['src-main/store/a.ts', 'node:fs'],
    ['src-renderer/a.ts', '../src-main/growth/plan/plan.ts'],
    ['src-renderer/a.ts', 'svelte/store'],
    ['tests/a.ts', 'koffi'],
    ['src-main/base/a.ts', '../layers.ts'],
  ])('allows %s to import %s', (from, specifier) => {
    expect(checkImport(from, specifier)).toBeUndefined();
  });

  RuleTester.describe = describe;
  RuleTester.it = it as typeof RuleTester.it;
  const filename = join(root, 'src-main/graph/a.js');
  const up = { errors: [{ message: /may not import 'model'/ }], filename };
  new RuleTester({ languageOptions: { sourceType: 'module' } }).run('layering', layering, {
    valid: [
      { code: "import { a } from '../tensor/a.ts';", filename },
      { code: "import('../model/a.ts');", filename: join(root, 'tests/a.js') },
      { code: 'import(name); export const a = 1;', filename },
    ],
    invalid: [
      { code: "import { a } from '../model/a.ts';", ...up },
      { code: "export { a } from '../model/a.ts';", ...up },
      { code: "export * from '../model/a.ts';", ...up },
      { code: "const a = await import('../model/a.ts');", ...up },
    ],
  });
});
