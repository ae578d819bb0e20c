/** @file The interface that forward passes are written against. `model-builder.ts` implements it. */
import type { Value } from '../graph/graph.ts';
import type { Dims } from '../tensor/layout.ts';
import type { KeyBias } from './key-bias.ts';
import type { NamedValue } from './named-value.ts';
import type { Settings } from './settings.ts';

export interface AttentionOptions {
  /** Sliding window: each position attends to itself and the `window - 1` positions before it. Default: all. */
  readonly window?: number | undefined;
  /** Bounds the scores to `softcap * tanh(score / softcap)`. */
  readonly softcap?: number | undefined;
  /** Added to the scores of each key, by head and position. Default: nothing. */
  readonly keyBias?: KeyBias | undefined;
  /** Document number of each token, [batch, seq]; a token attends only to its own document. */
  readonly documents?: Value | undefined;
  /** Blocks that the queries are computed in. Default: 8. */
  readonly queryBlocks?: number | undefined;
  /** Uses one kernel without a gradient where it computes the same: for forward passes on CUDA. Default: false. */
  readonly forwardKernel?: boolean | undefined;
  /** Uses FlashAttention, by kernels of our own, for head widths that they have. Default: false. */
  readonly flash?: boolean | undefined;
}

/**
 * Adds the layers of a model to a graph. Like an `nn.Module`, it finds weights by name; names come without
 * `.weight` and `.bias`.
 */
export interface ModelBuilder {
  readonly dims: Dims;
  readonly settings: Settings;
  /** The linear layer `name`, with its bias if the family has one. */
  linear(x: NamedValue, name: string): NamedValue;
  /** A linear layer whose weight stacks blocks of different shapes (fused q, k, v): one output per block. */
  splitLinear(x: NamedValue, name: string): readonly NamedValue[];
  /** The embedding `name`: tokens [batch, seq] → [batch, seq, width]. */
  embed(name: string, tokens: Value): NamedValue;
  /** The norm `name`, of the family's kind, over the axes of its gain; over the last axis if it has no gain. */
  norm(x: NamedValue, name: string): NamedValue;
  /** Logits [batch, seq, vocab]. */
  head(x: NamedValue): NamedValue;
  /** Rows of the learned position table `name`, [1, seq, width]. Position 0 reads row `first` (default 0). */
  positionRows(name: string, tokens: Value, first?: number): NamedValue;
  /** Rotary position embedding of `x` [batch, seq, …, head_dim]. */
  rotary(x: NamedValue, settings?: Settings): NamedValue;
  /** Causal attention. Call it once per layer, in layer order: a key-value cache counts the calls. */
  attention(
    q: NamedValue,
    k: NamedValue,
    v: NamedValue,
    scale: number,
    options?: AttentionOptions,
  ): NamedValue;
  /** Reports the router logits of one layer, [batch, seq, experts]. */
  onRouterLogits(logits: Value): void;
}

/** The operations that depend on where the tokens stand in the sequence and on what they may attend to. */
export interface SequenceContext extends Pick<ModelBuilder, 'attention'> {
  rotary(x: NamedValue, settings: Settings): NamedValue;
  /** Row numbers [1, seq] into a learned position table; position 0 reads row `first`. */
  positionRows(tokens: Value, first: number): Value;
}
