/** @file Growth plans, differences of plans, and certificates as text. */
import { formatBytes, formatCount, formatFlops } from '../../base/format.ts';
import type { Certificate } from '../../contract/schema.ts';
import {
  addCosts,
  combinePromises,
  createWeightCosts,
  describeCertificate as describeResult,
  joinMethodIds,
  listCertificateRows,
  mergeNotes,
  promiseLabels,
  summarizeSizes,
  type Difference,
  type GrowthPlan,
  type SavedPlan,
  type TensorRecipe,
  type WeightCost,
} from '../../service/catalog.ts';
import { table } from './output.ts';

/** What each stage does to every weight, then sizes, parameters and promise of the whole growth. */
export function describePlan({ source, stages }: SavedPlan): string {
  const hasStages = stages.length > 1;
  const weights = stages.flatMap((plan, i) => [
    ...(hasStages ? [describeStage(plan, i), ''] : []),
    tabulateWeights(plan),
    '',
  ]);
  const sizes = summarizeSizes(stages);
  const { before, after, active } = sizes.parameters;
  const promise = combinePromises(stages);
  const summary = [
    `Sizes        ${describeSizes(sizes)}`,
    `Parameters   ${describeGrowth(before, after)}`,
    ...(active
      ? [
          `Per token    ${describeGrowth(active.before, active.after)}: ` +
            'the selected experts and everything outside of experts',
        ]
      : []),
    `Promise      ${promiseLabels[promise.kind]}: ${promise.why.join(' ')}`,
    ...mergeNotes(stages).map((note) => `Note         ${note}`),
  ];
  if (hasStages)
    summary.unshift(
      `Source       ${source.name}`,
      `Stages       ${joinMethodIds(stages)}: applied in one pass, without intermediate checkpoints`,
    );
  return [...weights, ...summary].join('\n');
}

const describeStage = (plan: GrowthPlan, index: number): string =>
  `Stage ${index + 1}: ${plan.request.method}, ${describeSizes(plan)}; ${promiseLabels[plan.promise.kind]}`;

const describeGrowth = (before: number, after: number): string =>
  `${formatCount(before)} → ${formatCount(after)} (× ${(after / before).toFixed(2)})`;

const describeSizes = ({ from, to }: Pick<GrowthPlan, 'from' | 'to'>): string =>
  Object.keys(to)
    .filter((name) => from[name] !== to[name])
    .map((name) => `${name} ${from[name] ?? '-'} → ${to[name]!}`)
    .join(', ');

/**
 * The weights of a plan with the memory and the FLOPs per training token of all that share a row: weights of
 * several layers that change in the same way.
 */
function tabulateWeights(plan: GrowthPlan): string {
  const costOf = createWeightCosts(plan);
  const groups = new Map<string, { readonly cells: readonly string[]; readonly costs: WeightCost[] }>();
  for (const tensor of plan.tensors) {
    const name = tensor.name.replace(/(^|\.)\d+(?=\.)/g, '$1*');
    const cells = [name, formatShape(tensor.from), formatShape(tensor.to), describeFactors(tensor)];
    const key = JSON.stringify(cells);
    const group = groups.get(key) ?? { cells, costs: [] };
    group.costs.push(costOf(tensor));
    groups.set(key, group);
  }
  const rows = [...groups.values()].map(({ cells: [name, from, to, factors], costs }) => {
    const { bytes, flops } = addCosts(costs);
    return [name!, costs.length, from!, to!, formatBytes(bytes), formatFlops(flops), factors!];
  });
  return table([['weight', 'count', 'from', 'to', 'memory', 'per token', 'factors'], ...rows]);
}

const formatShape = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

function describeFactors({ slice, factors, zeroOutput }: TensorRecipe): string {
  const parts = factors.map(({ by, part, why }) => {
    const where = part ? ` (${part.axis} ${part.entry})` : '';
    return `× ${Number(by.toPrecision(6))}${where} ${why}`;
  });
  if (slice) parts.unshift(`slice ${slice.at + 1} of ${slice.of} of ${slice.axis}`);
  if (parts.length > 0) return parts.join('; ');
  return zeroOutput ? 'all zeros' : '';
}

/** The differences of two plans as a table. */
export const describeDifferences = (
  differences: readonly Difference[],
  first: string,
  second: string,
): string =>
  differences.length === 0
    ? 'The two plans are the same: they produce identical files from the same source.'
    : table([
        ['where', 'what', first, second],
        ...differences.map((d) => [d.where, d.what, d.first ?? '-', d.second ?? '-']),
      ]);

/** The result of a certificate, and its numbers as aligned rows. */
export function describeCertificate(c: Certificate): string {
  const { title, explanation } = describeResult(c);
  const rows = listCertificateRows(c);
  const width = Math.max(...rows.map(({ label }) => label.length));
  return [
    title,
    explanation,
    ...rows.map(
      ({ label, value, note }) =>
        `  ${label.padEnd(width)}  ${value}${note === undefined ? '' : ` (${note})`}`,
    ),
  ].join('\n');
}
