/**
 * @file The forward graph of one layer of every family, printed after simplification, equals the snapshot in
 * tests/fixtures/graphs. `npx vitest run tests/model/graphs.test.ts -u` writes the snapshots again; read the diff.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { graphOf, input, type Value } from '../../src-main/graph/ops/build.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';
import { printGraph } from '../../src-main/graph/print.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { createModelBuilder } from '../../src-main/model/model-builder.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import type { Dims } from '../../src-main/tensor/layout.ts';
import { fixtures } from '../support/golden.ts';
import { tinyConfig } from '../support/tiny.ts';

const folder = join(fixtures, 'graphs');
const fileOf = (id: string): string => join(folder, `${id}.txt`);
const seq = 5;

/** Sizes that differ from each other, so that a reader can tell the axes of a shape apart. */
const sizes: Dims = {
  vocab: 11,
  positions: 13,
  hidden: 96,
  heads: 12,
  kv_heads: 6,
  group: 2,
  head_dim: 14,
  ffn: 20,
  embed: 16,
  layers: 1,
  experts: 4,
  shared_ffn: 18,
};

/** The graph of tokens [1, seq] → logits. Sizes come first, and each weight is followed by its layout. */
function describeGraph(id: string): string {
  const family = families.get(id)!;
  // Half of a head must have pairs.
  const head = 'partialRotaryFactor' in family.settings ? { head_dim: 16 } : {};
  const config = tinyConfig(id, { dims: { ...sizes, ...head } });
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const weights = new Map<string, Value>(parameters.map((p) => [p.name, input(p.name, 'float32', p.shape)]));
  const m = createModelBuilder(family, dims, settings, weights);
  const x = family.forward(m, input('tokens', 'int32', [1, seq]));
  const text = printGraph(simplify(graphOf({ logits: m.head(x).value })));
  const layouts = new Map(parameters.map((p) => [p.name, p.spec.layout.text]));
  const lines = text.split('\n').map((line) => {
    const layout = layouts.get(/^input ([^:]+):/.exec(line)?.[1] ?? '');
    return layout === undefined ? line : `${line}  # ${layout}`;
  });
  const sizeList = Object.entries({ batch: 1, seq, ...dims }).map(([axis, size]) => `${axis} ${size}`);
  return [`# ${family.architecture}`, `# ${sizeList.join(', ')}`, ...lines, ''].join('\n');
}

it('every family has a snapshot, and there are no others', () => {
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  expect(files).toEqual([...families.keys()].map((id) => `${id}.txt`).sort());
});

describe('the forward graph of', () => {
  it.each([...families.keys()])('%s is that of its snapshot', async (id) => {
    await expect(describeGraph(id)).toMatchFileSnapshot(fileOf(id));
  });
});
