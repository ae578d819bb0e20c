/** @file The new entries inside of grown weights: all but one entry for each entry of the source. */
import { describe, expect, it } from 'vitest';
import { findAddedEntries, maskOf } from '../../src-main/growth/added-entries.ts';
import { planStages } from '../../src-main/growth/plan/stages.ts';
import { families } from '../../src-main/model/families/index.ts';
import { countElements } from '../../src-main/tensor/layout.ts';
import { tinyConfig } from '../support/tiny.ts';
import { makeRequest, makeTinyModel } from './tiny-model.ts';
import { trainableConfigs } from './train-grown.ts';

const oldEntries = (mask: Float32Array): number => mask.reduce((sum, value) => sum + 1 - value, 0);

const twice = (id: string): readonly [string, ReturnType<typeof makeTinyModel>] => [
  id,
  makeTinyModel(tinyConfig(id)),
];

/** Families whose MLP has a size of its own. */
const withUnits = [...families.values()].filter(({ dims }) => dims['ffn']!.keys.length > 0);

describe.each(withUnits.map(({ id }) => twice(id)))('a %s whose MLP is cloned', (_, model) => {
  it('has one old entry for each entry of the source, and new ones in grown weights alone', () => {
    const stages = planStages(model, [makeRequest('net2net', { ffn: model.dims['ffn']! + 8 })]);
    const added = findAddedEntries(stages);
    for (const { name, from, to } of stages[0]!.tensors) {
      const isGrown = countElements(from) !== countElements(to);
      expect(added.has(name), name).toBe(isGrown);
      if (isGrown) expect(oldEntries(maskOf(added.get(name)!, to)), name).toBe(countElements(from));
    }
    expect(added.size).toBeGreaterThan(0);
  });
});

describe.each(Object.entries(trainableConfigs))('%s', (_, config) => {
  const model = makeTinyModel(config);
  const { hidden, ffn } = model.dims as { readonly hidden: number; readonly ffn: number };

  it.each([
    ['copies of the whole width', [makeRequest('hypercloning', { hidden: 2 * hidden, ffn: 2 * ffn })]],
    ['padding', [makeRequest('copy-pad', { ffn: ffn + 3 })]],
    [
      'copies, and then padding',
      [makeRequest('net2net', { ffn: ffn + 2 }), makeRequest('copy-pad', { ffn: ffn + 5 })],
    ],
    ['new tokens', [makeRequest('vocab', { vocab: model.dims['vocab']! + 5 })]],
  ])('keeps each entry of the source once under %s', (_name, requests) => {
    const stages = planStages(model, requests);
    const added = findAddedEntries(stages);
    const sizes = new Map(stages[0]!.tensors.map(({ name, from }) => [name, countElements(from)]));
    expect(added.size).toBeGreaterThan(0);
    for (const { name, to } of stages.at(-1)!.tensors) {
      const mask = added.has(name) ? maskOf(added.get(name)!, to) : new Float32Array(countElements(to));
      expect(oldEntries(mask), name).toBe(sizes.get(name));
    }
  });
});
