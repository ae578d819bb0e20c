/** @file What growing a model of the Hub to twice its size would need, computed from its headers. */
import { AppError } from '../base/errors.ts';
import type { DoubledModel } from '../contract/hub.ts';
import { planGrowth } from '../growth/plan/plan.ts';
import type { GrowthPlan } from '../growth/recipe.ts';
import type { CheckpointSummary } from '../model/summary.ts';
import { byteLengthOf, type WeightDType } from '../tensor/dtype.ts';
import { countElements } from '../tensor/layout.ts';

/** Bytes of an engine that grows, without its largest weight; measured (docs/benchmarks.md). */
const engineBytes = 1.2e8;
/** Bytes per parameter in training: float32 weights, gradients and two moments. */
const trainingBytes = 16;

/** What is doubled: the width, else only the feed-forward width, else the depth. */
const doublings = [['hidden', 'ffn'], ['ffn'], ['layers']] as const;

/** The first doubling that is possible; null if none is. */
export function estimateDoubled(summary: CheckpointSummary): DoubledModel | null {
  for (const axes of doublings) {
    const plan = planDoubling(summary, axes);
    if (plan) return describeDoubled(plan);
  }
  return null;
}

function planDoubling(summary: CheckpointSummary, axes: readonly string[]): GrowthPlan | undefined {
  const present = axes.filter((axis) => axis in summary.dims);
  const to = Object.fromEntries(present.map((axis) => [axis, 2 * summary.dims[axis]!]));
  const method = axes[0] === 'layers' ? 'stack' : 'hypercloning';
  try {
    return planGrowth(summary, { method, to, options: {}, seed: 0, dtype: 'keep' });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return undefined;
  }
}

function describeDoubled({ from, to, parameters, tensors }: GrowthPlan): DoubledModel {
  const bytes = tensors.map((t) => byteLengthOf(t.dtype as WeightDType, countElements(t.to)));
  const changed = Object.keys(to).filter((axis) => from[axis] !== to[axis]);
  return {
    sizes: Object.fromEntries(changed.map((axis) => [axis, [from[axis] ?? 0, to[axis]!] as const])),
    parameters: parameters.after,
    disk: bytes.reduce((a, b) => a + b, 0),
    grow: 3 * Math.max(...bytes) + engineBytes,
    train: trainingBytes * parameters.after,
  };
}
