import { describe, expect, it } from 'vitest';
import { families } from '../../../src-main/model/families/index.ts';
import { planStages } from '../../../src-main/growth/plan/stages.ts';
import {
  findDeeper,
  findGrowth,
  findNextRelease,
  findWider,
  findWithin,
  parametersFor,
  targetDevice,
} from '../../../src-renderer/state/growth-targets.ts';
import type { Device } from '../../../src-main/contract/schema.ts';
import { createSummary, gpt2Config, storiesConfig } from '../fake/models.ts';

const stories = createSummary(storiesConfig, '/data/stories260K');
const gpt2 = createSummary(gpt2Config, '/data/gpt2');
const lastSizes = (source: typeof stories, requests: ReturnType<typeof findWider>) =>
  planStages(source, requests!).at(-1)!.to;

describe('growth targets', () => {
  it('double the width by the chosen method if it can, and else by another', () => {
    expect(findWider(stories, 'expand')).toMatchObject([{ method: 'expand', to: { hidden: 128, ffn: 344 } }]);
    expect(findWider(stories, 'stack')).toMatchObject([
      { method: 'hypercloning', to: { hidden: 128, ffn: 344 } },
    ]);
  });

  it('double the depth', () => {
    expect(findDeeper(stories, 'hypercloning')).toMatchObject([{ method: 'identity', to: { layers: 10 } }]);
  });

  it('reach a published model in stages, width before depth', () => {
    const release = findNextRelease(gpt2)!;
    expect(release.name).toBe('GPT-2 Medium');
    const requests = findGrowth(gpt2, release.dims, 'hypercloning');
    expect(requests).toHaveLength(2);
    expect(lastSizes(gpt2, requests)).toMatchObject(release.dims);
  });

  it('stay within a number of parameters, and use as many as a step allows', () => {
    const within = findWithin(stories, 2_000_000, 'hypercloning');
    const plan = planStages(stories, within!)[0]!;
    expect(plan.parameters.after).toBeLessThanOrEqual(2_000_000);
    const next = { ...within![0]!, to: { hidden: plan.to['hidden']! + 64, ffn: plan.to['ffn']! + 172 } };
    expect(planStages(stories, [next])[0]!.parameters.after).toBeGreaterThan(2_000_000);
    expect(findWithin(stories, stories.parameters + 1, 'hypercloning')).toBeUndefined();
  });

  it('fit a GPU before the processor, and leave room for activations', () => {
    const device = (id: Device['id'], more: Partial<Device> = {}): Device => ({
      id,
      name: id,
      available: true,
      memory: 16e9,
      free: null,
      ...more,
    });
    expect(targetDevice([device('cpu'), device('cuda')])?.id).toBe('cuda');
    expect(targetDevice([device('cpu'), device('webgpu', { software: true })])?.id).toBe('cpu');
    expect(targetDevice([device('cpu', { memory: null })])).toBeUndefined();
    expect(parametersFor({ memory: 16e9 })).toBe(800_000_000);
  });
});

it('lists the published sizes of every family from small to large, with its own axes', () => {
  for (const { id, releases = [], dims } of families.values())
    for (const release of releases)
      expect(
        Object.keys(release.dims).filter((axis) => !(axis in dims)),
        `${id} ${release.name}`,
      ).toEqual([]);
});
