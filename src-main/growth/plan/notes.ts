/** @file Warnings and advice about a plan, one sentence each. */
import { weightDTypes } from '../../tensor/dtype.ts';
import type { GrowthPlan, TensorRecipe } from '../recipe.ts';

type PlanParts = Pick<GrowthPlan, 'from' | 'to' | 'maps' | 'tensors' | 'parameters' | 'dead'>;

/** The notes that apply to plans of every method. */
export function collectNotes(plan: PlanParts): readonly string[] {
  const growth = plan.parameters.after / plan.parameters.before;
  const notes = [...noteGrowth(plan, growth), ...noteHeads(plan), ...noteRounding(plan)];
  if (growth >= 1.5)
    notes.push(
      'Start training with a warm-up: new weights change at once, however small their gradients are.',
    );
  for (const { why } of plan.dead) notes.push(`Some new entries will never learn: ${why}.`);
  return notes;
}

function noteGrowth({ from, to, maps }: PlanParts, growth: number): readonly string[] {
  const notes: string[] = [];
  const width = maps.hidden && to['hidden']! / from['hidden']!;
  if (width && width >= 1.5)
    notes.push(
      `Hidden × ${formatFactor(width)} gives ${formatFactor(growth)} times the parameters, because most weights ` +
        'grow in both dimensions.',
    );
  if (growth > 8)
    notes.push(
      `${formatFactor(growth)} times the parameters is a large step; growing in two steps, with training in between, ` +
        'usually costs less.',
    );
  return notes;
}

function noteHeads({ from, to, maps }: PlanParts): readonly string[] {
  const notes: string[] = [];
  const kvHeads = to['kv_heads'];
  if (kvHeads !== undefined && kvHeads > from['kv_heads']!)
    notes.push(
      `The KV cache grows × ${formatFactor(kvHeads / from['kv_heads']!)}; growing "group" instead of "kv_heads" ` +
        'would keep its size.',
    );
  const growsHeads = maps.heads ?? maps.kv_heads ?? maps.group ?? maps.head_dim;
  if (maps.hidden && !growsHeads)
    notes.push('The number of heads stays: attention reads a wider stream but keeps its own width.');
  if (maps.head_dim)
    notes.push('Heads become wider instead of more numerous; queries and keys are rescaled for this.');
  return notes;
}

function noteRounding({ tensors }: PlanParts): readonly string[] {
  const dtypes = weightDTypes.filter((d) => d !== 'float32' && tensors.some((t) => t.dtype === d));
  if (dtypes.length === 0 || !tensors.some(changesBits)) return [];
  return [
    `Weights stored as ${dtypes.join(' and ')} are rounded after growing, so logits change slightly; with float32 ` +
      'they would not.',
  ];
}

/** Whether grown values need more bits than those of the source. */
const changesBits = ({ noise, projection, factors, fills }: TensorRecipe): boolean =>
  noise !== null ||
  projection !== null ||
  factors.some((f) => !Number.isInteger(Math.log2(f.by))) ||
  Object.values(fills).some((fill) => fill === 'mean' || fill === 'between');

const formatFactor = (n: number): string => String(Number(n.toPrecision(3)));
