/** @file Bake-offs as text: the plan before, and the report. */
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatEnergy,
  formatFlops,
  formatMoney,
  formatNumber,
  formatRange,
  formatRoughDuration,
} from '../../base/format.ts';
import type { BakeoffPlan, BakeoffReport } from '../../contract/bakeoff.ts';
import {
  describeDifference,
  describeExtrapolation,
  describeFate,
  describeParameters,
  verdictLabels,
} from '../../service/catalog.ts';
import { formatNotes, table } from './output.ts';

type Ranking = NonNullable<BakeoffReport['atEqualTokens']>;

/** What is compared, and what it will take. */
export function describePlan(plan: BakeoffPlan): string {
  const { candidates, rates, rungs, seeds, estimate, leftOut } = plan;
  const rows = candidates.map(({ title, flopsPerToken, ...candidate }) => [
    title,
    describeParameters(candidate),
    formatFlops(flopsPerToken),
  ]);
  const time = estimate.seconds ? formatRange(estimate.seconds, formatRoughDuration) : 'unknown';
  const cost = estimate.cost ? formatRange(estimate.cost, formatMoney) : 'unknown';
  return [
    table([['candidate', 'parameters', 'FLOPs per token'], ...rows]),
    '',
    `Probes       ${estimate.probes}: learning rates ${rates.join(', ')}; seeds ${seeds.join(', ')}`,
    `Rungs        ${rungs.map(formatCount).join(', ')} tokens`,
    `Tokens       ${formatRange(estimate.tokens, formatCount)}, over all probes`,
    `Time         ${time}`,
    `Cost         ${cost}`,
    `Disk         at most ${formatBytes(estimate.disk)}`,
    ...formatNotes(leftOut.map(({ id, why }) => `${id} is left out: ${why}`)),
  ].join('\n');
}

/** The result of a bake-off, and the command that continues the best probe. `dir` is its folder. */
export function describeReport(report: BakeoffReport, dir: string): string {
  const { candidates, atEqualTokens, atEqualFlops, conclusion, next, spent, estimate } = report;
  const rows = candidates.map((candidate) => [
    candidate.title,
    describeParameters(candidate),
    candidate.lr ?? '-',
    describeFate(candidate),
    describeExtrapolation(candidate),
  ]);
  const forecast = `forecast at ${formatCount(report.plannedTokens)}`;
  const energy = spent.energy === null ? '' : `, ${formatEnergy(spent.energy)}`;
  const cost = spent.cost === null ? '' : `, ${formatMoney(spent.cost)}`;
  const estimated = estimate.seconds
    ? ` (estimate: ${formatRange(estimate.seconds, formatRoughDuration)})`
    : '';
  return [
    table([['candidate', 'parameters', 'best rate', 'result', forecast], ...rows]),
    ...describeRanking(report, atEqualTokens, `At equal tokens (${formatCount(report.probeTokens)})`),
    ...describeRanking(report, atEqualFlops, 'At equal FLOPs'),
    '',
    ...conclusion.sentences,
    `Spent: ${formatCount(spent.tokens)} tokens in ${formatDuration(spent.seconds)}${estimated}${energy}${cost}.`,
    `Report: ${dir}/report.html and report.json`,
    ...(next
      ? [`Train it on: cambium resume ${dir}/${next.run} --tokens ${next.tokens} --schedule ${next.schedule}`]
      : []),
  ].join('\n');
}

function describeRanking(
  { candidates }: BakeoffReport,
  ranking: Ranking | null,
  title: string,
): readonly string[] {
  if (!ranking) return [];
  const rows = ranking.rows.map(({ id, loss, difference, verdict }) => [
    candidates.find((candidate) => candidate.id === id)!.title,
    formatNumber(loss),
    difference ? describeDifference(difference) : '-',
    verdictLabels[verdict],
  ]);
  return ['', title, table([['candidate', 'loss', 'difference to the best (95 %)', 'verdict'], ...rows])];
}
