/** @file The graph that compares logits, run by ONNX Runtime, against the same numbers computed in float64. */
import { describe, expect, it } from 'vitest';
import { graphOf, input } from '../../src-main/graph/ops/build.ts';
import {
  compareLogits,
  histogramEdges,
  statisticCount,
  statistics,
  type Statistic,
} from '../../src-main/growth/compare-logits.ts';
import { createComparison, type Comparison } from '../../src-main/growth/certificate.ts';
import { runOnnx } from '../graph/run-onnx.ts';
import { tensor } from '../support/evaluate.ts';

type Rows = readonly (readonly number[])[];

/** The statistics of each row, computed by the graph in float32. */
async function compare(source: Rows, grown: Rows, next: readonly number[]): Promise<Float64Array> {
  const [vocab, grownVocab] = [source[0]!.length, grown[0]!.length];
  const rows = source.length;
  const result = compareLogits(
    input('source', 'float32', [rows, vocab]),
    input('grown', 'float32', [rows, grownVocab]),
    input('next', 'int32', [rows]),
  );
  const outputs = await runOnnx(graphOf({ result }), {
    source: tensor([rows, vocab], source.flat()),
    grown: tensor([rows, grownVocab], grown.flat()),
    next: tensor([rows], next),
  });
  expect(outputs['result']!.shape).toEqual([rows, statisticCount]);
  return Float64Array.from(outputs['result']!.data);
}

const logSumExp = (x: readonly number[]): number => {
  const top = Math.max(...x);
  return top + Math.log(x.reduce((sum, value) => sum + Math.exp(value - top), 0));
};

/** One row in float64. */
function compareRow(source: readonly number[], grown: readonly number[], next: number) {
  const [p, q] = [logSumExp(source), logSumExp(grown)];
  const terms = source.map((s, v) => ({ p: Math.exp(s - p), log: s - p - (grown[v]! - q) }));
  return {
    maxLogit: Math.max(...source.map((s, v) => Math.abs(grown[v]! - s))),
    squares: source.reduce((sum, s) => sum + s * s, 0),
    kl: terms.reduce((sum, term) => sum + term.p * term.log, 0),
    lossSource: p - source[next]!,
    lossGrown: q - grown[next]!,
    topSource: source.indexOf(Math.max(...source)),
    topGrown: grown.indexOf(Math.max(...grown)),
    newTokenShare: grown.slice(source.length).reduce((sum, g) => sum + Math.exp(g - q), 0),
  };
}

/** The KL divergence without the cancellation of `compareRow`, for small differences. */
function accurateKl(source: readonly number[], grown: readonly number[]): number {
  const p = logSumExp(source);
  const sum = (f: (delta: number) => number): number =>
    source.reduce((total, s, v) => total + Math.exp(s - p) * f(grown[v]! - s), 0);
  return Math.log1p(sum(Math.expm1)) - sum((delta) => delta);
}

const columnOf = (name: Statistic): number => statistics.indexOf(name);
const vocab = 40;
const makeRow = (seed: number, size = vocab): readonly number[] =>
  Array.from({ length: size }, (_, v) => Math.fround(3 * Math.sin(seed * 7.3 + v * v * 0.11)));

/** A comparison of rows, as a certificate collects it. */
async function collect(source: Rows, grown: Rows, next: readonly number[]): Promise<Comparison> {
  const comparison = createComparison({
    vocab: source[0]!.length,
    contextLength: source.length,
    rankBy: 'maxLogit',
  });
  comparison.add(Float32Array.from(await compare(source, grown, next)));
  return comparison;
}

describe('the comparison of logits', () => {
  it.each([
    ['of equal vocabularies', vocab],
    ['of a larger vocabulary, over its whole softmax', vocab + 5],
  ])('%s has the numbers of float64', async (_, grownVocab) => {
    const source = [0, 1, 2].map((seed) => makeRow(seed));
    const grown = [3, 4, 5].map((seed) => makeRow(seed, grownVocab));
    const next = [0, 39, 7];
    const result = await compare(source, grown, next);
    for (const [row, tokens] of source.entries()) {
      const expected = compareRow(tokens, grown[row]!, next[row]!);
      for (const [name, value] of Object.entries(expected)) {
        const found = result[row * statisticCount + columnOf(name as Statistic)]!;
        expect(Math.abs(found - value), `${name} of row ${row}`).toBeLessThan(1e-5 * Math.max(1, value));
      }
      if (grownVocab === vocab) expect(expected.newTokenShare).toBe(0);
      else expect(expected.newTokenShare).toBeGreaterThan(0.001);
    }
  });

  it('takes the first of equally large logits', async () => {
    const result = await compare([[1, 5, 5, 0]], [[5, 5, 1, 5]], [0]);
    expect(result[columnOf('topSource')]).toBe(1);
    expect(result[columnOf('topGrown')]).toBe(0);
  });

  it('counts the differences above each edge of the histogram', async () => {
    const source = Array<number>(8).fill(0);
    const differences = [0, 2 ** -24, 2 ** -10, 2 ** -10, -0.5, 3, -30, 2 ** -21];
    const result = await compare([source], [differences], [0]);
    const above = histogramEdges.map((edge) => differences.filter((d) => Math.abs(d) > edge).length);
    expect([...result.slice(statistics.length)]).toEqual(above);
  });

  it.each([1e-6, 1e-4, 1e-2, 0.09, 0.11, 2])(
    'gives the KL divergence of logits that differ by %s to three digits',
    async (size) => {
      const source = [makeRow(1)];
      const grown = [source[0]!.map((s, v) => Math.fround(s + size * Math.sin(v * 1.7)))];
      const { kl } = (await collect(source, grown, [3])).difference();
      const expected = accurateKl(source[0]!, grown[0]!);
      expect(kl / expected).toBeGreaterThan(0.999);
      expect(kl / expected).toBeLessThan(1.001);
    },
  );

  it('gives the KL divergence that only new tokens cause', async () => {
    const source = [makeRow(1)];
    const grown = [[...source[0]!, -4]];
    const { kl, newTokenShare, maxLogit } = (await collect(source, grown, [3])).difference();
    expect(maxLogit).toBe(0);
    expect(kl).toBeCloseTo(-Math.log(1 - newTokenShare), 9);
    expect(kl).toBeCloseTo(compareRow(source[0]!, grown[0]!, 3).kl, 6);
  });

  it.each([Number.NaN, Infinity])('shows a logit that is %s', async (value) => {
    const source = [makeRow(1), makeRow(2)];
    const grown = [makeRow(1), [...makeRow(2).slice(1), value]];
    const { nonFinite, tokens, maxLogit } = (await collect(source, grown, [3, 3])).difference();
    expect({ nonFinite, tokens, maxLogit }).toEqual({ nonFinite: 1, tokens: 2, maxLogit: 0 });
  });
});
