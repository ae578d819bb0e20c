/** @file Complete sequences: tokens from position 0 on, as one text or as packed documents. */
import { lazyConstant } from '../graph/ops/build.ts';
import { attention } from './attention.ts';
import type { AttentionOptions, SequenceContext } from './builder-types.ts';
import { angleTable, applyRotary } from './rotary.ts';

/** A sequence read from position 0. Packed documents attend to earlier ones. */
export const wholeSequence: SequenceContext = {
  attention,
  rotary: (x, settings) =>
    applyRotary(x, settings, (angles, seq) => [
      angleTable('cos', seq, angles, 'sequence'),
      angleTable('sin', seq, angles, 'sequence'),
    ]),
  positionRows: ({ shape: [, seq] }, first) =>
    lazyConstant(`position rows ${first} ${seq}`, 'int64', [1, seq!], () =>
      Array.from({ length: seq! }, (_, i) => first + i),
    ),
};

/**
 * A sequence read from position 0 with other options of attention. With `documents` [batch, seq], the numbers of
 * packed documents, these do not attend to each other; positions count across all of them.
 */
export const createSequence = (
  defaults: Pick<AttentionOptions, 'documents' | 'queryBlocks' | 'forwardKernel' | 'flash'>,
): SequenceContext => ({
  ...wholeSequence,
  attention: (q, k, v, scale, options = {}) => attention(q, k, v, scale, { ...defaults, ...options }),
});
