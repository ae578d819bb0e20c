/** @file Every golden checkpoint through our forward pass: logits and loss as transformers computes them. */
import { describe, expect, it } from 'vitest';
import { constant, input, loadBalancingLoss, type Value } from '../../src-main/graph/ops/build.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families, familyOf } from '../../src-main/model/families/index.ts';
import { createModelBuilder } from '../../src-main/model/layers.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { logitsProgram, lossProgram } from '../../src-main/train/step.ts';
import { evaluate } from '../support/evaluate.ts';
import { loadGolden, goldenCases } from '../support/golden.ts';
import { runner } from '../support/run-graph.ts';

describe.each(goldenCases)('%s', (name) => {
  const g = loadGolden(name);
  const family = familyOf(g.config);
  const dims = dimsOf(family, g.config);
  const settings = settingsOf(family, g.config);
  const parameters = parametersOf(family, dims, settings);
  const buckets = bucketsOf(family, parameters, { most: 1000 });
  const model = { family, dims, settings, buckets };
  const state = Object.fromEntries(
    buckets.map((b) => {
      const flat = new Float32Array(b.length);
      for (const slot of b.slots) flat.set(g.weights.get(slot.name)!, slot.offset);
      return [`weights/${b.index}`, flat];
    }),
  );
  const batch = g.ids.length;
  const sequence = g.ids[0]!.length;

  it('has the weights that its table names', () => {
    expect(parameters.map((p) => p.name).filter((n) => !g.weights.has(n))).toEqual([]);
  });

  it('computes the logits of transformers', async () => {
    const run = await runner(logitsProgram(model, { microBatch: batch, contextLength: sequence }));
    const { logits } = await run({ ...state, tokens: Int32Array.from(g.ids.flat()) });
    let worst = 0;
    g.logits.forEach((x, i) => {
      worst = Math.max(worst, Math.abs(x - logits![i]!));
    });
    expect(worst).toBeLessThan(1e-4);
  });

  it('computes its loss', async () => {
    const run = await runner(lossProgram(model, { microBatch: batch, contextLength: sequence - 1 }));
    const { losses } = await run({ ...state, tokens: Int32Array.from(g.ids.flat()) });
    const loss = losses!.reduce((a, b) => a + b, 0) / losses!.length;
    expect(Math.abs(loss - g.loss)).toBeLessThan(1e-4);
  });
});

it.each(goldenCases.filter((name) => loadGolden(name).balance !== undefined))(
  '%s: its routers are as uneven as transformers says',
  (name) => {
    const g = loadGolden(name);
    const family = familyOf(g.config);
    const dims = dimsOf(family, g.config);
    const settings = settingsOf(family, g.config);
    const routers: Value[] = [];
    const weights = new Map(
      parametersOf(family, dims, settings).map((p) => [p.name, input(p.name, 'float32', p.shape)] as const),
    );
    const seen = g.ids.map((row) => row.slice(0, -1));
    family.forward(
      createModelBuilder(family, dims, settings, weights, (logits) => {
        routers.push(logits);
      }),
      constant(seen.flat(), 'int32', [seen.length, seen[0]!.length]),
    );
    expect(routers).toHaveLength(dims['layers']!);
    const [found] = evaluate(
      [loadBalancingLoss(routers, Number(settings['expertsPerToken']))],
      Object.fromEntries(
        [...weights].map(([weight, { shape }]) => [
          weight,
          { shape, data: Float64Array.from(g.weights.get(weight)!) },
        ]),
      ),
    );
    expect(found!.data[0]).toBeCloseTo(g.balance!, 5);
  },
);

it('covers every family', () => {
  expect(new Set(goldenCases.map((name) => familyOf(loadGolden(name).config).id))).toEqual(
    new Set(families.keys()),
  );
});
