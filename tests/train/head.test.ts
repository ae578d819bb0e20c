/** @file The output head in parts has the loss and the gradients of a single part, with less memory. */
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

/** One golden checkpoint of each family. */
const families = [
  ...Map.groupBy(
    goldenCases.filter((name) => !name.includes('float16')),
    (name) => familyOf(loadGolden(name).config).id,
  ).values(),
].map((names) => names[0]!);

describe.each(families)('the head of %s', (name) => {
  const golden = loadGolden(name);
  const family = familyOf(golden.config);
  const dims = dimsOf(family, golden.config);
  const settings = settingsOf(family, golden.config);
  const parameters = parametersOf(family, dims, settings);
  const weights: ReadonlyMap<string, Value> = new Map(
    parameters.map((parameter) => [parameter.name, input(parameter.name, 'float32', parameter.shape)]),
  );
  const wrt = [...weights.values()];
  const builder = createModelBuilder(family, dims, settings, weights);
  const tokens = constant(golden.ids[0]!.slice(0, length), 'int32', [1, length]);
  const targets = constant(golden.ids[0]!.slice(1, length + 1), 'int32', [length]);
  const head = (x: NamedValue): Value => reshape(builder.head(x).value, [-1, dims['vocab']!]);
  const x = family.forward(builder, tokens);
  const feeds = Object.fromEntries(
    parameters.map(({ name: weight, shape }) => [
      weight,
      { shape, data: Float64Array.from(golden.weights.get(weight)!) },
    ]),
  );

  it('has the same loss and gradients in three parts as in one', () => {
    const seed = constant(3);
    const { loss, seeds } = headGradients(head, x, targets, [4, 2, 3], wrt, seed);
    const gradients = vjp(seeds, wrt).map((gradient, i) => gradient ?? mul(wrt[i]!, 0));
    const wholeLoss = mean(crossEntropy(head(x), targets));
    const inParts = evaluate([loss, ...gradients], feeds);
    const whole = evaluate([wholeLoss, ...grad(wholeLoss, wrt, { seed })], feeds);
    for (const [i, value] of inParts.entries()) {
      const what = i === 0 ? 'loss' : parameters[i - 1]!.name;
      expect(compareArrays(value.data, whole[i]!.data).worst, what).toBeLessThan(1e-10);
    }
  });
});

describe('the memory of the head', () => {
  const rows = 4096;
  const vocab = 32_000;
  const width = 64;
  const floatBytes = 4;
  const logitsBytes = floatBytes * rows * vocab;
  const weight = input('w', 'float32', [vocab, width]);
  const hidden = input('x', 'float32', [1, rows, width]);
  const targets = input('targets', 'int32', [rows]);
  const x: NamedValue = { value: mul(hidden, 2), axes: ['batch', 'seq', 'hidden'] };
  const head = ({ value }: NamedValue): Value =>
    reshape(matmul(value, weight, { transB: true }), [-1, vocab]);

  /** Peak bytes of loss and gradients in parts of these lengths. */
  const peakBytes = (lengths: readonly number[]): number => {
    const { loss, seeds } = headGradients(head, x, targets, lengths, [weight], constant(1));
    const [dx, dw] = vjp(seeds, [hidden, weight]);
    return analyzeLiveness(simplify(graphOf({ loss, dx: dx!, dw: dw! }))).peakBytes;
  };

  it('holds the logits of one part only', () => {
    const parts = headParts(rows, vocab, 2 ** 26);
    expect(parts.length).toBeGreaterThan(4);
    expect(parts.reduce((a, b) => a + b)).toBe(rows);
    expect(peakBytes([rows])).toBeGreaterThan(2 * logitsBytes);
    const weights = 4 * floatBytes * vocab * width;
    const activations = 6 * floatBytes * rows * width;
    expect(peakBytes(parts)).toBeLessThan((3.2 * logitsBytes) / parts.length + weights + activations);
  });

  it('holds half of the logits at most when only losses are computed', () => {
    const losses = headLosses(head, x, targets, headParts(rows, vocab, 2 ** 26));
    expect(analyzeLiveness(simplify(graphOf({ losses }))).peakBytes).toBeLessThan(logitsBytes / 2);
  });
});

describe('headParts', () => {
  it('is a single part for few rows or a small vocabulary', () => {
    expect(headParts(2048, 1024, 2 ** 26)).toEqual([2048]);
    expect(headParts(64, 256_000, 2 ** 26)).toEqual([64]);
  });
});
