/** @file What a grown weight's gradient counts in the global norm. */
import type { Parameter } from '../../model/parameters.ts';
import { countOf } from '../../tensor/layout.ts';
import type { Factors } from './rule.ts';

/**
 * c/f for copies, of which there are 1/(c·f): then the norm, and with it the clip, is that of the source
 * (methods.md 1.11 says how it changes otherwise).
 * 1 for weights that are not copies throughout, whose factors say nothing of their gradient's size.
 */
export function normShare(factors: Factors | undefined, { shape }: Parameter): number {
  if (!factors) return 1;
  const copies = countOf(shape) / countOf(factors.from);
  return Math.abs(copies * factors.rate * factors.gradient - 1) < 1e-9 ? factors.rate / factors.gradient : 1;
}
