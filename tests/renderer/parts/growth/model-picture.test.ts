import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../../src-main/growth/plan/plan.ts';
import {
  buildModelPicture,
  fitScale,
  heightOf,
  layOut,
} from '../../../../src-renderer/parts/growth/model-picture.ts';
import { createSummary, gpt2Config, storiesConfig } from '../../fake/models.ts';

const stories = createSummary(storiesConfig, '/data/stories260K');
const request = { method: 'stack', to: { layers: 200 }, options: {}, seed: 0, dtype: 'keep' } as const;

describe('buildModelPicture', () => {
  it('has a block for each layer, and all parameters', () => {
    for (const summary of [stories, createSummary(gpt2Config, '/data/gpt2')]) {
      const picture = buildModelPicture(summary);
      expect(picture.parameters).toBe(summary.parameters);
      expect(picture.blocks.filter(({ layer }) => layer !== undefined)).toHaveLength(summary.dims['layers']!);
    }
  });

  it('merges neighbouring layers of a deep model and loses no parameter', () => {
    const { to } = planGrowth(stories, request);
    const picture = buildModelPicture({ ...stories, dims: to });
    const layers = picture.blocks.filter(({ layer }) => layer !== undefined);
    expect(layers.length).toBeLessThan(100);
    expect(picture.blocks.reduce((sum, { parameters }) => sum + parameters, 0)).toBe(picture.parameters);
  });
});

describe('layOut', () => {
  it('draws areas in proportion to parameters in both pictures', () => {
    const pictures = [stories, { ...stories, dims: { ...stories.dims, hidden: 128, kv_heads: 8 } }].map(
      buildModelPicture,
    );
    const scale = fitScale(pictures, 200, 300);
    const areas = pictures.map((picture) =>
      layOut(picture, scale, 200).reduce((sum, { width, height }) => sum + width * height, 0),
    );
    expect(areas[1]! / areas[0]!).toBeCloseTo(pictures[1]!.parameters / pictures[0]!.parameters, 6);
    expect(Math.max(...pictures.map((picture) => heightOf(picture, scale)))).toBeLessThanOrEqual(300 + 1e-6);
  });
});
