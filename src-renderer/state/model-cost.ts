/** @file What a model needs: parameters, bytes on disk, memory to train, FLOPs per token. */
import type { GrowthPlan } from '../../src-main/growth/recipe.ts';
import { byteLengthOf, type WeightDType } from '../../src-main/tensor/dtype.ts';
import { countElements, type Dims } from '../../src-main/tensor/layout.ts';

export interface ModelCost {
  readonly parameters: number;
  /** Parameters that one token uses; fewer than `parameters` in a mixture of experts. */
  readonly active: number;
  /** Bytes of the weights on disk. */
  readonly weights: number;
  /** Bytes of float32 weights, gradients and two moments. */
  readonly training: number;
  /** Forward and backward FLOPs per token: 6N + 12·L·H·T, with full attention. */
  readonly flops: number;
}

export interface ModelSize {
  readonly parameters: number;
  /** Absent if every token uses all parameters. */
  readonly active?: number | undefined;
  readonly bytes: number;
  readonly dims: Dims;
}

/** Context length of the FLOPs, unless the model has fewer positions. */
const defaultContextLength = 1024;

export const contextLengthOf = (dims: Dims, positions: unknown): number =>
  Math.min(
    defaultContextLength,
    dims['positions'] ?? (typeof positions === 'number' ? positions : defaultContextLength),
  );

/** `positions` is the setting of a family whose positions are not an axis. */
export function computeModelCost(
  { parameters, active = parameters, bytes, dims }: ModelSize,
  positions: unknown,
): ModelCost {
  const heads = dims['heads'] ?? (dims['kv_heads'] ?? 1) * (dims['group'] ?? 1);
  const attentionWidth = heads * (dims['head_dim'] ?? 0);
  const attentionFlops = 12 * dims['layers']! * attentionWidth * contextLengthOf(dims, positions);
  return {
    parameters,
    active,
    weights: bytes,
    training: 16 * parameters,
    flops: 6 * active + attentionFlops,
  };
}

/** Bytes of the weights that a plan writes. */
export const weightBytes = (plan: GrowthPlan): number =>
  plan.tensors.reduce((sum, { dtype, to }) => sum + byteLengthOf(dtype as WeightDType, countElements(to)), 0);
