/**
 * @file Twenty steps of AdamW on a checkpoint of every family without experts have the losses of PyTorch
 * (tests/parity/make-family-losses.py).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families, familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { stepProgram } from '../../src-main/train/step.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { fixtures, loadGolden } from '../support/golden.ts';
import { createGraphRunner } from '../support/run-graph.ts';
import { initialState, nextState, toScalarFeeds } from './bucket-state.ts';

interface FamilyLosses {
  readonly optimizer: {
    readonly lr: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
    readonly weightDecay: number;
    readonly gradClip: number;
  };
  /** Token ids of each step: rows of the context length + 1. */
  readonly tokens: readonly (readonly (readonly number[])[])[];
  /** The loss of each step, by golden checkpoint. */
  readonly losses: Readonly<Record<string, readonly number[]>>;
}

const { optimizer, tokens, losses } = JSON.parse(
  readFileSync(join(fixtures, 'family-losses.json'), 'utf8'),
) as FamilyLosses;

it('covers every family without experts', () => {
  const covered = new Set(Object.keys(losses).map((name) => familyOf(loadGolden(name).config).id));
  const dense = [...families.values()].filter(({ mixture }) => !mixture).map(({ id }) => id);
  expect([...covered].sort()).toEqual(dense.sort());
});

it.each(Object.entries(losses))('%s', async (name, expected) => {
  const { config, weights } = loadGolden(name);
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const adamw = { ...optimizer, name: 'adamw', momentum: 0 } as const;
  const buckets = bucketsOf(family, parametersOf(family, dims, settings), {
    maxElements: 2 ** 20,
    optimizer: 'adamw',
  });
  const model = { family, dims, settings, buckets };
  const shape = { microBatch: tokens[0]!.length, contextLength: tokens[0]![0]!.length - 1 };
  const run = await createGraphRunner(stepProgram(model, shape, adamw));
  let state = initialState(buckets, weights);
  for (const [i, loss] of expected.entries()) {
    const { emaDecay, ...scalars } = hostScalars(adamw, i + 1, optimizer.lr);
    expect(emaDecay).toBe(0);
    const feeds = { ...state, ...toScalarFeeds(scalars), tokens: Int32Array.from(tokens[i]!.flat()) };
    const outputs = await run(feeds);
    expect(Math.abs(outputs['loss']![0]! / loss - 1), `loss of step ${i + 1}`).toBeLessThan(1e-4);
    state = nextState(buckets, outputs);
  }
});
