/** @file What a person should know about a plan before it runs: one sentence each. */
import { weightDTypes } from '../../tensor/dtype.ts';
import type { GrowthPlan } from '../recipe.ts';

/** Warnings and advice that follow from the plan alone. */
export function collectNotes({
  from,
  to,
  maps,
  tensors,
  parameters,
  dead,
}: Pick<GrowthPlan, 'from' | 'to' | 'maps' | 'tensors' | 'parameters' | 'dead'>): readonly string[] {
  const notes: string[] = [];
  const width = maps.hidden && to['hidden']! / from['hidden']!;
  const size = parameters.after / parameters.before;
  if (width && width >= 1.5)
    notes.push(
      `Hidden × ${short(width)} makes ${short(size)} times the parameters: most weights grow on both sides.`,
    );
  if (size > 8)
    notes.push(
      `${short(size)} times the parameters is a long way from the source; growing in two steps, with training between, usually costs less.`,
    );
  const heads = to['kv_heads'];
  if (heads !== undefined && heads > from['kv_heads']!)
    notes.push(
      `The cache of keys and values grows × ${short(heads / from['kv_heads']!)}; growing "group" instead of "kv_heads" would keep it.`,
    );
  if (maps.hidden && !maps.heads && !maps.kv_heads && !maps.group && !maps.head_dim)
    notes.push('The number of heads stays: attention is read from a wider stream but is as wide as before.');
  if (maps.head_dim)
    notes.push('Heads become wider instead of more numerous; queries and keys are rescaled for it.');
  const dtypes = weightDTypes.filter((d) => d !== 'float32' && tensors.some((t) => t.dtype === d));
  if (
    dtypes.length &&
    tensors.some(
      (t) =>
        t.noise !== null ||
        t.projection !== null ||
        t.factors.some((f) => !isPowerOfTwo(f.by)) ||
        Object.values(t.fills).includes('mean'),
    )
  )
    notes.push(
      `Stored as ${dtypes.join(' and ')}, weights are rounded after growing, so logits move a little; with dtype float32 they would not.`,
    );
  if (size >= 1.5)
    notes.push('Begin training with a warm-up: new weights move at once, however small their gradients.');
  for (const { why } of dead) notes.push(`Some of it will never learn: ${why}.`);
  return notes;
}

const short = (n: number): string => String(Number(n.toPrecision(3)));
const isPowerOfTwo = (n: number): boolean => Number.isInteger(Math.log2(n));
