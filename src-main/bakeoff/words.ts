/** @file Words of bake-offs that the page, the command line and the report share. */
import { formatCount, formatNumber } from '../base/format.ts';
import type { Difference } from './paired.ts';
import type { CandidateReport } from './report.ts';
import type { RowVerdict } from './verdict.ts';

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${formatNumber(Math.abs(value), 3)}`;

/** `+0.0312 (+0.0210 to +0.0414)`: a difference of losses with its interval. */
export const describeDifference = ({ mean, low, high }: Difference): string =>
  `${signed(mean)} (${signed(low)} to ${signed(high)})`;

export const verdictLabels: Readonly<Record<RowVerdict, string>> = {
  leader: 'best',
  'not distinguishable': 'not distinguishable yet',
  worse: 'worse',
  better: 'better',
};

/** Its parameters, marked where it has not the sizes of the target. */
export const describeParameters = ({
  parameters,
  role,
  reachesTarget,
}: Pick<CandidateReport, 'parameters' | 'role' | 'reachesTarget'>): string =>
  formatCount(parameters) + (role === 'grown' && !reachesTarget ? ' (same budget)' : '');

/** What became of a candidate, in a few words. */
export function describeFate({ dropped, probes }: CandidateReport): string {
  if (dropped?.why === 'diverged') return `diverged within ${formatCount(dropped.tokens)} tokens`;
  if (dropped) return `worse after ${formatCount(dropped.tokens)} tokens, not trained further`;
  if (probes.length === 0) return 'not begun';
  return `trained to ${formatCount(Math.max(...probes.map(({ tokens }) => tokens)))} tokens`;
}

/** The forecast of a candidate in a few words. */
export function describeExtrapolation({ extrapolation }: CandidateReport): string {
  if (!extrapolation) return '–';
  if ('why' in extrapolation) return `none: ${extrapolation.why}`;
  const { loss, low, high } = extrapolation;
  return `${formatNumber(loss)} (${formatNumber(low)} to ${formatNumber(high)})`;
}
