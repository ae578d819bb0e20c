/** @file The cost of weights in words. */
import { formatBytes, formatFlops } from '../../../src-main/base/format.ts';
import type { WeightCost } from '../../../src-main/growth/plan/weight-costs.ts';

/** Memory and FLOPs of the weights of one layer; `layers` is how many layers are like it. */
export function describeCost({ bytes, flops }: WeightCost, layers: number): string {
  const perToken = flops > 0 ? `, ${formatFlops(flops)} per token` : '';
  return `${formatBytes(bytes)}${perToken}${layers > 1 ? ' in each layer' : ''}`;
}
