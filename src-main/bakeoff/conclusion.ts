/** @file What can be concluded from a bake-off, in sentences. */
import { formatCount, formatNumber } from '../base/format.ts';
import type { BakeoffReport, CandidateReport, Conclusion } from './report.ts';
import type { RankedEntry, Ranking, RowVerdict } from './verdict.ts';
import { describeDifference } from './words.ts';

type Facts = Omit<BakeoffReport, 'conclusion'>;

export function concludeBakeoff(report: Facts): Conclusion {
  const { atEqualTokens, progress } = report;
  if (!atEqualTokens) {
    const isOpen = progress.done < progress.of;
    return isOpen
      ? { kind: 'open', winner: null, sentences: [] }
      : { kind: 'none', winner: null, sentences: ['Every candidate diverged: try smaller learning rates.'] };
  }
  const { best, leader } = atEqualTokens;
  const isDecided = best.length === 1;
  return {
    kind: isDecided ? 'winner' : 'not distinguishable',
    winner: isDecided ? leader : null,
    sentences: [
      describeBest(report, atEqualTokens),
      ...describeSource(report),
      ...describeForecasts(report, best),
      ...describeLimits(report),
    ],
  };
}

const titleOf = ({ candidates }: Facts, id: string): string =>
  candidates.find((candidate) => candidate.id === id)!.title;

function describeBest(report: Facts, { leader, best, rows }: Ranking): string {
  const at = `after ${formatCount(report.probeTokens)} tokens`;
  const names = best.map((id) => titleOf(report, id));
  if (best.length > 1)
    return (
      `Not distinguishable yet ${at}: ${names.join(', ')}. The intervals of their differences contain zero; ` +
      'more tokens, more seeds or more held-out text make them narrower.'
    );
  const loss = formatNumber(rows.find(({ id }) => id === leader)!.loss);
  return `${names[0]!} is the best ${at}, with a held-out loss of ${loss}: it is better than every other candidate.`;
}

/** Whether growing has paid so far, compared with training the source on. */
function describeSource(report: Facts): readonly string[] {
  const { atEqualFlops } = report;
  const row = atEqualFlops?.rows.find(({ id }) => roleOf(report, id) === 'source');
  if (!atEqualFlops || !row?.difference) return [];
  const leader = titleOf(report, atEqualFlops.leader);
  const difference = `its loss differs by ${describeDifference(row.difference)}`;
  const sentences: Readonly<Record<Exclude<RowVerdict, 'leader'>, string>> = {
    better:
      `At equal FLOPs the source is still better than ${leader}: ${difference}. ` +
      'Growing has not paid yet at this length.',
    worse: `At equal FLOPs ${leader} is better than the source trained on: ${difference}.`,
    'not distinguishable':
      `At equal FLOPs ${leader} and the source trained on ` + `are not distinguishable yet: ${difference}.`,
  };
  return [sentences[row.verdict as Exclude<RowVerdict, 'leader'>]];
}

const roleOf = ({ candidates }: Facts, id: RankedEntry['id']): CandidateReport['role'] =>
  candidates.find((candidate) => candidate.id === id)!.role;

/** What the forecasts of the candidates that are still in question say. */
function describeForecasts(report: Facts, best: readonly string[]): readonly string[] {
  const at = `at ${formatCount(report.plannedTokens)} tokens`;
  const known = report.candidates.flatMap(({ id, title, role, extrapolation }) =>
    role !== 'source' && extrapolation && 'loss' in extrapolation ? [{ id, title, ...extrapolation }] : [],
  );
  const [first] = [...known].sort((a, b) => a.loss - b.loss);
  if (!first) {
    const leader = report.candidates.find(({ id }) => id === best[0]);
    const why = leader?.extrapolation && 'why' in leader.extrapolation ? `: ${leader.extrapolation.why}` : '';
    return [`There is no forecast ${at}${why}.`];
  }
  const rivals = known.filter(({ id, low }) => id !== first.id && low <= first.high);
  const band = `${formatNumber(first.low)} to ${formatNumber(first.high)}`;
  if (rivals.length === 0) return [`${first.title} is forecast to be the best ${at}, at ${band}.`];
  const names = rivals.map(({ title }) => title).join(', ');
  return [
    `The forecasts do not decide ${at}: the band of ${first.title} (${band}) overlaps with that of ${names}.`,
  ];
}

/** What the result does not cover. */
function describeLimits({ candidates, seeds }: Facts): readonly string[] {
  const atEdge = candidates.filter(({ isAtEdge, dropped }) => isAtEdge && !dropped);
  const names = atEdge.map(({ title, lr }) => `${title} (${lr!})`).join(', ');
  return [
    ...(atEdge.length > 0
      ? [`The best learning rate lies at the edge of those tried: ${names}. Other rates may be better.`]
      : []),
    ...(seeds.length === 1
      ? ['With one seed, the intervals cover other held-out text, but not other orders of the text.']
      : []),
  ];
}
