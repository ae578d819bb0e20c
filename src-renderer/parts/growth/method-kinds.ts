/** @file What a growth method changes: the width, the depth, the experts or the vocabulary of a model. */
import type { GrowthMethod } from '../../../src-main/growth/method.ts';
import { axisStyle } from './axes.ts';

export const methodKinds = ['width', 'depth', 'experts', 'vocabulary'] as const;
export type MethodKind = (typeof methodKinds)[number];

export function kindOf({ grows, mixture }: GrowthMethod): MethodKind {
  if (mixture) return 'experts';
  if (grows.includes('vocab')) return 'vocabulary';
  return grows.every((axis) => axis === 'layers') ? 'depth' : 'width';
}

/** What a method grows, in a few words. */
export function describeGrown(method: GrowthMethod): string {
  if (method.mixture) return 'MLP to experts';
  const axes = method.grows.filter((axis) => axis !== 'group' && axis !== 'head_dim');
  const labels = axes.filter((axis) => axis !== 'kv_heads').map((axis) => axisStyle(axis).label);
  return labels.join(', ');
}
