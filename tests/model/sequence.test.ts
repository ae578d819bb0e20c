/** @file Documents packed into one sequence do not attend to each other, in any family. Computed in float64. */
import { describe, expect, it } from 'vitest';
import { constant, reshape, type Value } from '../../src-main/graph/ops/build.ts';
import type { SequenceContext } from '../../src-main/model/builder-types.ts';
import { createModelBuilder } from '../../src-main/model/model-builder.ts';
import { createSequence, wholeSequence } from '../../src-main/model/sequence.ts';
import { compareArrays, tolerances } from '../support/close.ts';
import { evaluate } from '../support/evaluate.ts';
import { goldenByFamily, openGoldenModel } from './golden-model.ts';

/** Document number of each token. */
const twoDocuments = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1];
const boundary = twoDocuments.indexOf(1);
const length = twoDocuments.length;

/** Families whose rotated queries and keys get gains, or a factor that grows with their position. */
const usesPlaces = /^(hunyuan|ministral3)/;

describe.each(goldenByFamily.map((names) => names[0]!))('%s', (name) => {
  const { golden, family, dims, settings, inputs, feeds } = openGoldenModel(name);
  const vocab = dims['vocab']!;
  const ids = golden.ids[0]!.slice(0, length);
  /** The same tokens in the second document, others in the first. */
  const changedIds = ids.map((id, i) => (i < boundary ? (id + 1) % vocab : id));

  /** A batch of two rows; the second row is a single document. */
  const documentsOf = (firstRow: readonly number[]): Value =>
    constant([...firstRow, ...firstRow.map(() => 0)], 'int32', [2, firstRow.length]);

  /** Logits [2 × tokens, vocab] of `tokens` and, in the second row, of `ids`. */
  const logitsOf = (tokens: readonly number[], sequence: SequenceContext): Float64Array => {
    const m = createModelBuilder(family, dims, settings, inputs, undefined, sequence);
    const batch = constant([...tokens, ...ids.slice(0, tokens.length)], 'int32', [2, tokens.length]);
    const logits = reshape(m.head(family.forward(m, batch)).value, [-1, vocab]);
    return evaluate([logits], feeds)[0]!.data;
  };
  const difference = (a: Float64Array, b: Float64Array): number => compareArrays(a, b).worst;
  const rows = (logits: Float64Array, from: number, to: number): Float64Array =>
    logits.slice(from * vocab, to * vocab);
  const first = (logits: Float64Array): Float64Array => rows(logits, 0, boundary);
  const second = (logits: Float64Array): Float64Array => rows(logits, boundary, length);

  it('computes the second document independently of the first, but only with a document mask', () => {
    const masked = logitsOf(ids, createSequence({ documents: documentsOf(twoDocuments) }));
    const maskedChanged = logitsOf(changedIds, createSequence({ documents: documentsOf(twoDocuments) }));
    expect(difference(second(masked), second(maskedChanged))).toBe(0);
    expect(difference(first(masked), first(maskedChanged))).toBeGreaterThan(0);
    const plain = logitsOf(ids, wholeSequence);
    const plainChanged = logitsOf(changedIds, wholeSequence);
    expect(difference(second(plain), second(plainChanged))).toBeGreaterThan(1e-6);
  });

  it('leaves the first document, and sequences of one document, as they are without a mask', () => {
    const masked = logitsOf(ids, createSequence({ documents: documentsOf(twoDocuments) }));
    const plain = logitsOf(ids, wholeSequence);
    expect(difference(first(masked), first(plain))).toBeLessThan(1e-12);
    const secondRow = (logits: Float64Array): Float64Array => rows(logits, length, 2 * length);
    expect(difference(secondRow(masked), secondRow(plain))).toBeLessThan(1e-12);
    const oneDocument = logitsOf(ids, createSequence({ documents: documentsOf(twoDocuments.map(() => 3)) }));
    expect(difference(oneDocument, plain)).toBeLessThan(1e-12);
  });

  // Rotary positions only encode distances. Their tables are float32 constants.
  it.skipIf(settings['ropeTheta'] === undefined || usesPlaces.test(name))(
    'computes the second document as if it stood alone, with rotary positions',
    () => {
      const alone = logitsOf(ids.slice(boundary), wholeSequence);
      const masked = logitsOf(ids, createSequence({ documents: documentsOf(twoDocuments) }));
      const expected = rows(alone, 0, length - boundary);
      expect(difference(second(masked), expected)).toBeLessThan(tolerances.float32);
    },
  );
});
