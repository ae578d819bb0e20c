import { describe, expect, it } from 'vitest';
import { listAddedWeights } from '../../src-main/growth/added-weights.ts';
import { planStages } from '../../src-main/growth/plan/stages.ts';
import { tinyConfig } from '../support/tiny.ts';
import { makeRequest, makeTinyModel } from './tiny-model.ts';

const source = makeTinyModel(tinyConfig('llama'));
const { hidden, ffn, layers } = source.dims as { hidden: number; ffn: number; layers: number };

/** The numbers of the layers that have added weights. */
const addedLayers = (requests: Parameters<typeof planStages>[1]): readonly number[] => {
  const names = [...listAddedWeights(planStages(source, requests))];
  return [...new Set(names.map((name) => Number(/layers\.(\d+)\./.exec(name)![1])))].sort((a, b) => a - b);
};

describe('listAddedWeights', () => {
  it('has every weight of the identity blocks, and of no other block', () => {
    const request = makeRequest('identity', { layers: 2 * layers });
    const [plan] = planStages(source, [request]);
    const inserted = plan!.layers.flatMap(({ identity }, i) => (identity ? [i] : []));
    expect(inserted).toHaveLength(layers);
    expect(addedLayers([request])).toEqual(inserted);
  });

  it('has the second copies of stacked layers', () => {
    const second = Array.from({ length: layers }, (_, i) => layers + i);
    expect(addedLayers([makeRequest('stack', { layers: 2 * layers })])).toEqual(second);
  });

  it('follows added blocks through later stages of a growth', () => {
    const deeper = makeRequest('identity', { layers: 2 * layers });
    const wider = makeRequest('hypercloning', { hidden: 2 * hidden, ffn: 2 * ffn });
    expect(addedLayers([deeper, wider])).toEqual(addedLayers([deeper]));
  });

  it('has none where only the width grew', () => {
    expect(addedLayers([makeRequest('hypercloning', { hidden: 2 * hidden, ffn: 2 * ffn })])).toEqual([]);
  });
});
