import { describe, expect, it } from 'vitest';
import { parseStages, planRunStages, resolveStages } from '../../src-main/contract/stages.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import type { RunStage } from '../../src-main/train/stages.ts';
import { makeTinyModel } from '../growth/tiny-model.ts';
import { expectAppError } from '../support/expect-app-error.ts';
import { tinyConfig } from '../support/tiny.ts';

const source = makeTinyModel(tinyConfig('gpt2'));
const { hidden, ffn, layers } = source.dims as { hidden: number; ffn: number; layers: number };
const settings: TrainingSettings = { ...trainingDefaults, tokens: 1e6, contextLength: 8 };

const file = [
  { until: { tokens: 5e5 } },
  { grow: [{ method: 'hypercloning', times: { hidden: 2, ffn: 2 } }], until: { plateau: 0.002 }, lr: 1e-4 },
  { grow: [{ method: 'identity', to: { layers: 2 * layers } }], rewarmSteps: 10 },
];
const resolved = (): readonly RunStage[] => resolveStages(source, parseStages('stages.json', file));

describe('parseStages', () => {
  it.each([
    ['an object', { stages: [] }, 'the list of stages'],
    ['one stage', [{}], 'the list of stages'],
    ['an unknown field', [{ untill: { tokens: 1 } }, {}], 'stage 1'],
    ['an unknown end', [{ until: { steps: 5 } }, {}], 'stage 1: until'],
    ['an end without a condition', [{ until: {} }, {}], 'stage 1: until: names no end'],
    ['a growth without a method', [{ until: { tokens: 1 } }, { grow: [{}] }], 'stage 2: grow.0.method'],
    [
      'a wrong type',
      [{ until: { tokens: 1 } }, { grow: [{ method: 'identity' }], lr: 'fast' }],
      'stage 2: lr',
    ],
  ])('refuses %s and names the place', async (_, json, place) => {
    const { detail } = await expectAppError('file/bad-json', () => parseStages('stages.json', json));
    expect(detail['path']).toBe('stages.json');
    expect(detail['why']).toContain(place);
  });
});

describe('resolveStages', () => {
  it('computes multiples from the sizes that the model has by then, and fills in defaults', () => {
    expect(resolved()).toEqual([
      file[0],
      {
        grow: [
          {
            method: 'hypercloning',
            to: { hidden: 2 * hidden, ffn: 2 * ffn },
            options: {},
            seed: 0,
            dtype: 'keep',
          },
        ],
        until: { plateau: 0.002 },
        lr: 1e-4,
      },
      {
        grow: [{ method: 'identity', to: { layers: 2 * layers }, options: {}, seed: 0, dtype: 'keep' }],
        rewarmSteps: 10,
      },
    ]);
    const twice = [
      { until: { tokens: 1 } },
      { grow: [{ method: 'identity', times: { layers: 2 } }], until: { tokens: 2 } },
      { grow: [{ method: 'identity', times: { layers: 2 } }] },
    ];
    const [, , last] = resolveStages(source, parseStages('stages.json', twice));
    expect(last!.grow![0]!.to).toEqual({ layers: 4 * layers });
  });

  it('names the stage of a growth that is impossible', async () => {
    const wrong = [{ until: { tokens: 1 } }, { grow: [{ method: 'identity', to: { layers: 1 } }] }];
    const { detail, message } = await expectAppError('run/bad-stage', () =>
      resolveStages(source, parseStages('stages.json', wrong)),
    );
    expect(detail['stage']).toBe(2);
    expect(message).toMatch(/^stage 2: /);
  });
});

describe('planRunStages', () => {
  it('gives the model and the settings of every stage', () => {
    const planned = planRunStages(source, { settings, stages: resolved() });
    expect(planned.map(({ model }) => [model.dims['hidden'], model.dims['layers']])).toEqual([
      [hidden, layers],
      [2 * hidden, layers],
      [2 * hidden, 2 * layers],
    ]);
    expect(planned.map((stage) => stage.settings.lr)).toEqual([settings.lr, 1e-4, settings.lr]);
  });

  const grow = resolved()[2]!.grow!;
  const first: RunStage = { until: { tokens: 100 } };
  it.each<readonly [string, readonly RunStage[], Partial<TrainingSettings>, number]>([
    ['a first stage that grows', [{ ...first, grow }, { grow }], {}, 1],
    ['a first stage with a second warmup', [{ ...first, rewarmSteps: 5 }, { grow }], {}, 1],
    ['a later stage that does not grow', [first, {}], {}, 2],
    ['a stage without an end before the last', [{}, { grow }], {}, 1],
    ['a last stage with an end', [first, { grow, until: { tokens: 200 } }], {}, 2],
    ['an end before that of the stage before', [first, { grow, until: { tokens: 100 } }, { grow }], {}, 2],
    ['an end at the end of the run', [{ until: { tokens: 1e6 } }, { grow }], {}, 1],
    ['a loss without held-out text', [{ until: { loss: 3 } }, { grow }], { heldOut: 0 }, 1],
    ['a loss without evaluations', [{ until: { loss: 3 } }, { grow }], { evaluateEvery: 0 }, 1],
    ['a context that is longer than the positions', [first, { grow, contextLength: 4096 }], {}, 2],
  ])('refuses %s', async (_, stages, changes, stage) => {
    const { detail } = await expectAppError('run/bad-stage', () =>
      planRunStages(source, { settings: { ...settings, ...changes }, stages }),
    );
    expect(detail['stage']).toBe(stage);
  });
});
