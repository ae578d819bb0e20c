/**
 * @file Documents packed into one sequence and kept apart: none hears another, whatever the family. In
 * float64.
 */
import { describe, expect, it } from 'vitest';
import { constant, input, reshape, type Value } from '../../src-main/graph/ops/build.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { maskDocuments, createModelBuilder, wholeSequence, type SequenceContext } from '../../src-main/model/layers.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { compare, tolerances } from '../support/close.ts';
import { evaluate } from '../support/evaluate.ts';
import { loadGolden, goldenCases } from '../support/golden.ts';

const families = [
  ...Map.groupBy(
    goldenCases.filter((name) => !name.includes('float16')),
    (name) => familyOf(loadGolden(name).config).id,
  ).values(),
].map((names) => names[0]!);
const numbers = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1];
const border = numbers.indexOf(1);
const length = numbers.length;

describe.each(families)('%s', (name) => {
  const g = loadGolden(name);
  const family = familyOf(g.config);
  const dims = dimsOf(family, g.config);
  const settings = settingsOf(family, g.config);
  const parameters = parametersOf(family, dims, settings);
  const vocab = dims['vocab']!;
  const weights: ReadonlyMap<string, Value> = new Map(
    parameters.map((p) => [p.name, input(p.name, 'float32', p.shape)]),
  );
  const feeds = Object.fromEntries(
    parameters.map(({ name: weight, shape }) => [
      weight,
      { shape, data: Float64Array.from(g.weights.get(weight)!) },
    ]),
  );
  const ids = g.ids[0]!.slice(0, length);
  const other = ids.map((id, i) => (i < border ? (id + 1) % vocab : id));
  const documents = (of: readonly number[]): Value =>
    constant([...of, ...of.map(() => 0)], 'int32', [2, of.length]);
  /** Logits of both rows of a batch; the second row is one document in any case. */
  const logits = (tokens: readonly number[], placing: SequenceContext): Float64Array => {
    const m = createModelBuilder(family, dims, settings, weights, undefined, placing);
    const batch = constant([...tokens, ...ids.slice(0, tokens.length)], 'int32', [2, tokens.length]);
    return evaluate([reshape(m.head(family.forward(m, batch)).value, [-1, vocab])], feeds)[0]!
      .data as Float64Array;
  };
  const rows = (all: Float64Array, from: number, to: number): Float64Array =>
    all.slice(from * vocab, to * vocab);

  it('the second document is the same whatever stands before it, and was not before', () => {
    const kept = maskDocuments(documents(numbers));
    const one = logits(ids, kept);
    const two = logits(other, kept);
    expect(compare(rows(one, border, length), rows(two, border, length)).worst).toBe(0);
    expect(compare(rows(one, 0, border), rows(two, 0, border)).worst).toBeGreaterThan(0);
    expect(
      compare(rows(logits(ids, wholeSequence), border, length), rows(logits(other, wholeSequence), border, length)).worst,
    ).toBeGreaterThan(1e-6);
  });

  it('the first document, and a row of one document, are as they are joined', () => {
    const kept = logits(ids, maskDocuments(documents(numbers)));
    const joined = logits(ids, wholeSequence);
    expect(compare(rows(kept, 0, border), rows(joined, 0, border)).worst).toBeLessThan(1e-12);
    expect(compare(rows(kept, length, 2 * length), rows(joined, length, 2 * length)).worst).toBeLessThan(
      1e-12,
    );
    expect(compare(logits(ids, maskDocuments(documents(numbers.map(() => 3)))), joined).worst).toBeLessThan(1e-12);
  });

  // What turns by positions hears only how far apart two of them are; their sines are float32 in the graph.
  it.skipIf(settings['ropeTheta'] === undefined)('the second document is as it is alone', () => {
    const alone = logits(ids.slice(border), wholeSequence);
    const kept = logits(ids, maskDocuments(documents(numbers)));
    expect(compare(rows(kept, border, length), rows(alone, 0, length - border)).worst).toBeLessThan(
      tolerances.float32,
    );
  });
});
