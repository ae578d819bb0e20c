/** @file How much a grown weight's gradient counts in the global norm. */
import type { Parameter } from '../../model/parameters.ts';
import { countElements } from '../../tensor/layout.ts';
import type { Factors } from './rule.ts';

/**
 * c/f for a weight that consists of copies (there are 1/(c·f) of them): the norm, and with it the clipping, is
 * then the source's. 1 for every other weight: its factors do not determine the size of its gradient.
 */
export function normShare(factors: Factors | undefined, { shape }: Parameter): number {
  if (!factors) return 1;
  const { lrScale, gradScale, from } = factors;
  const copies = countElements(shape) / countElements(from);
  const isCopied = Math.abs(copies * lrScale * gradScale - 1) < 1e-9;
  return isCopied ? lrScale / gradScale : 1;
}
