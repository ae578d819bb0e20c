import { describe, expect, it } from 'vitest';
import { estimatedStage, planRunStages } from '../../src-main/contract/stages.ts';
import { assumptionDefaults } from '../../src-main/cost/assumptions.ts';
import { estimate, type Estimate, type EstimateRequest } from '../../src-main/cost/estimate.ts';
import { estimateStages, tokensOfStages } from '../../src-main/cost/stages.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import type { RunStage } from '../../src-main/train/stages.ts';
import { makeTinyModel } from '../growth/tiny-model.ts';
import { tinyConfig } from '../support/tiny.ts';

const source = makeTinyModel(tinyConfig('llama'));
const settings: TrainingSettings = { ...trainingDefaults, tokens: 6400, microBatch: 4, contextLength: 16 };
const deeper = {
  method: 'identity',
  to: { layers: 2 * source.dims['layers']! },
  options: {},
  seed: 0,
  dtype: 'keep',
} as const;

const request = (training: TrainingSettings): EstimateRequest => ({
  subject: source,
  training,
  targets: [{ id: 'cpu', name: 'CPU', kind: 'cpu', here: true, cores: 2, memory: 2 ** 34, past: [] }],
  book: { devices: [], prices: [] },
  assumptions: assumptionDefaults,
  skipAlternatives: true,
});
const estimateOf = (stages: readonly RunStage[]): Estimate =>
  estimateStages(request(settings), stages, planRunStages(source, { settings, stages }).map(estimatedStage));

describe('tokensOfStages', () => {
  it('divides the tokens up to the next known end equally among stages without one', () => {
    const grow = [deeper];
    const open: RunStage = { grow, until: { plateau: 0.01 } };
    expect(tokensOfStages([{ until: { tokens: 30 } }, { grow }], 100)).toEqual([30, 70]);
    expect(tokensOfStages([{ until: { loss: 3 } }, open, { grow }], 90)).toEqual([30, 30, 30]);
    expect(tokensOfStages([{ until: { tokens: 40 } }, open, { grow }], 100)).toEqual([40, 30, 30]);
  });
});

describe('estimateStages', () => {
  const stages: readonly RunStage[] = [{ until: { tokens: 3200 } }, { grow: [deeper] }];

  it('sums the FLOPs and the steps of the stages, each with its model', () => {
    const { flops, steps, tokens, stages: each, parameters } = estimateOf(stages);
    const small = estimate(request({ ...settings, tokens: 3200 }));
    expect(each![0]).toMatchObject({ parameters: small.parameters, tokens: 3200, flops: small.flops.total });
    expect(each![1]!.flops).toBeGreaterThan(1.3 * small.flops.total);
    expect(flops.total).toBeCloseTo(each![0]!.flops + each![1]!.flops, 0);
    expect({ steps, tokens }).toEqual({ steps: 100, tokens: 6400 });
    expect(parameters).toBe(each![1]!.parameters);
  });

  it('has the memory of the largest stage, and keeps the checkpoint that was grown on the disk', () => {
    const { here, disk } = estimateOf(stages);
    const small = estimate(request(settings));
    expect(here[0]!.memory.total.likely).toBeGreaterThan(small.here[0]!.memory.total.likely);
    expect(disk.total).toBeCloseTo(disk.kept * disk.perSave + disk.exported + small.disk.perSave, 0);
  });

  it('needs less for a stage that trains only the added blocks', () => {
    const optimizerBytes = (e: Estimate): number =>
      e.here[0]!.memory.parts.find(({ what }) => what === 'Optimizer')!.bytes;
    const all = estimateOf(stages);
    const part = estimateOf([stages[0]!, { grow: [deeper], trainable: 'new' }]);
    expect(part.stages![1]!.flops).toBeLessThan(all.stages![1]!.flops);
    expect(part.disk.perSave).toBeLessThan(all.disk.perSave);
    expect(optimizerBytes(all)).toBeGreaterThan(0);
  });
});
