/**
 * @file The head in parts: the loss and the gradients of the whole, of every family, with one part's logits
 * in memory.
 */
import { describe, expect, it } from 'vitest';
import {
  constant,
  crossEntropy,
  graphOf,
  input,
  matmul,
  mean,
  mul,
  reshape,
  type Value,
} from '../../src-main/graph/ops/build.ts';
import { analyzeLiveness } from '../../src-main/graph/passes/liveness.ts';
import { grad, vjp } from '../../src-main/graph/passes/grad.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { createModelBuilder } from '../../src-main/model/model-builder.ts';
import type { NamedValue } from '../../src-main/model/named-value.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { headGradients, headLosses, headParts } from '../../src-main/train/head.ts';
import { compareArrays } from '../support/close.ts';
import { evaluate } from '../support/evaluate.ts';
import { loadGolden, goldenCases } from '../support/golden.ts';

const length = 9;
const families = [
  ...Map.groupBy(
    goldenCases.filter((name) => !name.includes('float16')),
    (name) => familyOf(loadGolden(name).config).id,
  ).values(),
].map((names) => names[0]!);

describe.each(families)('%s', (name) => {
  const g = loadGolden(name);
  const family = familyOf(g.config);
  const dims = dimsOf(family, g.config);
  const settings = settingsOf(family, g.config);
  const parameters = parametersOf(family, dims, settings);
  const weights: ReadonlyMap<string, Value> = new Map(
    parameters.map((p) => [p.name, input(p.name, 'float32', p.shape)]),
  );
  const wrt = [...weights.values()];
  const m = createModelBuilder(family, dims, settings, weights);
  const tokens = constant(g.ids[0]!.slice(0, length), 'int32', [1, length]);
  const targets = constant(g.ids[0]!.slice(1, length + 1), 'int32', [length]);
  const head = (x: NamedValue): Value => reshape(m.head(x).value, [-1, dims['vocab']!]);
  const x = family.forward(m, tokens);
  const feeds = Object.fromEntries(
    parameters.map(({ name: weight, shape }) => [
      weight,
      { shape, data: Float64Array.from(g.weights.get(weight)!) },
    ]),
  );

  it('loss and gradients are those of the whole', () => {
    const whole = mean(crossEntropy(head(x), targets));
    const seed = constant(3);
    const { loss, seeds } = headGradients(head, x, targets, [4, 2, 3], wrt, seed);
    const parted = vjp(seeds, wrt);
    const expected = grad(whole, wrt, { seed });
    const found = evaluate([loss, ...parted.map((v, i) => v ?? mul(wrt[i]!, 0))], feeds);
    const right = evaluate([whole, ...expected], feeds);
    found.forEach((v, i) => {
      expect(
        compareArrays(v.data, right[i]!.data).worst,
        i === 0 ? 'loss' : parameters[i - 1]!.name,
      ).toBeLessThan(1e-10);
    });
  });
});

describe('memory', () => {
  const rows = 4096;
  const vocab = 32_000;
  const width = 64;
  const logits = 4 * rows * vocab;
  const w = input('w', 'float32', [vocab, width]);
  const hidden = input('x', 'float32', [1, rows, width]);
  const targets = input('targets', 'int32', [rows]);
  const x: NamedValue = { value: mul(hidden, 2), axes: ['batch', 'seq', 'hidden'] };
  const head = ({ value }: NamedValue): Value => reshape(matmul(value, w, { transB: true }), [-1, vocab]);
  const peakOf = (lengths: readonly number[]): number => {
    const { loss, seeds } = headGradients(head, x, targets, lengths, [w], constant(1));
    const [dx, dw] = vjp(seeds, [hidden, w]);
    return analyzeLiveness(simplify(graphOf({ loss, dx: dx!, dw: dw! }))).peakBytes;
  };
  it('holds the logits of one part', () => {
    const parts = headParts(rows, vocab);
    expect(parts.length).toBeGreaterThan(4);
    expect(parts.reduce((a, b) => a + b)).toBe(rows);
    expect(peakOf([rows])).toBeGreaterThan(2 * logits);
    expect(peakOf(parts)).toBeLessThan(
      (3.2 * logits) / parts.length + 4 * 4 * vocab * width + 6 * 4 * rows * width,
    );
  });
  it('few rows or a small vocabulary stay whole', () => {
    expect(headParts(2048, 1024)).toEqual([2048]);
    expect(headParts(64, 256_000)).toEqual([64]);
  });
  it('losses are read in the same parts', () => {
    expect(
      analyzeLiveness(simplify(graphOf({ losses: headLosses(head, x, targets, vocab) }))).peakBytes,
    ).toBeLessThan(logits / 2);
  });
});
