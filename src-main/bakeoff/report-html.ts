/** @file The report of a bake-off as a file: JSON, or a web page of its own that loads nothing from elsewhere. */
import { escapeHtml, renderReport } from '../base/html.ts';
import {
  formatCount,
  formatDuration,
  formatEnergy,
  formatFlops,
  formatInteger,
  formatMoney,
  formatNumber,
  formatRange,
} from '../base/format.ts';
import {
  describeDifference,
  describeExtrapolation,
  describeFate,
  describeParameters,
  verdictLabels,
} from './words.ts';
import type { BakeoffReport, CurvePoint } from './report.ts';
import type { Ranking } from './verdict.ts';

export const formatBakeoff = (report: BakeoffReport, format: 'json' | 'html'): string =>
  format === 'json' ? `${JSON.stringify(report, null, 1)}\n` : renderPage(report);

/** Colours of the lines, in the order of the candidates; they repeat. */
const colours = ['#1f7a4d', '#b4552d', '#44577a', '#8a5a00', '#7a3b8f', '#2b8a8a', '#b3261e', '#5b6662'];
const colourOf = (i: number): string => colours[i % colours.length]!;

const styles = `
body { max-width: 64rem; }
.scroll { overflow-x: auto; }
.key { display: inline-block; width: .75rem; height: .75rem; border-radius: 2px; margin-right: .5rem; }
`;

function renderPage(report: BakeoffReport): string {
  const { name, source, conclusion, atEqualTokens, atEqualFlops } = report;
  const title = `Bake-off of growth methods: ${name}`;
  return renderReport(
    title,
    styles,
    `<h1>${escapeHtml(title)}</h1>
<p class="soft">Source: ${escapeHtml(source)}. Made with Cambium.</p>
${conclusion.sentences.map((sentence) => `<p>${escapeHtml(sentence)}</p>`).join('\n')}
${renderChart(report)}
<h2>Candidates</h2>
${renderCandidates(report)}
${atEqualTokens ? renderRanking(report, atEqualTokens, `At equal tokens, ${formatCount(report.probeTokens)}`) : ''}
${atEqualFlops ? renderRanking(report, atEqualFlops, `At equal FLOPs, ${formatFlops(equalFlops(report))}`) : ''}
<h2>How it was measured</h2>
${renderFacts(report)}`,
  );
}

/** The FLOPs that the candidates are compared at. */
const equalFlops = ({ candidates }: BakeoffReport): number =>
  candidates[0]!.equalFlopsTokens * candidates[0]!.flopsPerToken;

const renderTable = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const heads = head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('');
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`);
  return `<div class="scroll"><table><tr>${heads}</tr>\n${body.join('\n')}\n</table></div>`;
};

function renderCandidates({ candidates, leftOut, plannedTokens }: BakeoffReport): string {
  const rows = candidates.map((candidate, i) => [
    `<span class="key" style="background:${colourOf(i)}"></span>${escapeHtml(candidate.title)}`,
    describeParameters(candidate),
    formatFlops(candidate.flopsPerToken),
    candidate.lr === null ? '–' : String(candidate.lr),
    escapeHtml(describeFate(candidate)),
    escapeHtml(describeExtrapolation(candidate)),
  ]);
  const forecast = `Forecast at ${formatCount(plannedTokens)} tokens (90 % band)`;
  const head = ['Candidate', 'Parameters', 'FLOPs per token', 'Best learning rate', 'Result', forecast];
  const notes = leftOut.map(({ id, why }) => `${id}: ${why}`).join('; ');
  const omitted = notes === '' ? '' : `<p class="soft">Left out: ${escapeHtml(notes)}.</p>`;
  return `${renderTable(head, rows)}${omitted}`;
}

function renderRanking({ candidates }: BakeoffReport, { rows }: Ranking, title: string): string {
  const cells = rows.map(({ id, loss, difference, verdict }) => [
    escapeHtml(candidates.find((candidate) => candidate.id === id)!.title),
    formatNumber(loss),
    difference ? escapeHtml(describeDifference(difference)) : '–',
    verdictLabels[verdict],
  ]);
  const head = ['Candidate', 'Held-out loss', 'Difference to the best candidate (95 %)', 'Verdict'];
  return `<h2>${escapeHtml(title)}</h2>\n${renderTable(head, cells)}`;
}

function renderFacts(report: BakeoffReport): string {
  const { windows, contextLength, seeds, rates, rungs, spent, estimate } = report;
  const against = (
    actual: number | null,
    range: { readonly low: number; readonly high: number } | undefined,
    format: (value: number) => string,
  ): string => {
    const estimated = range ? formatRange(range, format) : 'unknown';
    return `${actual === null ? 'unknown' : format(actual)} (estimate ${estimated})`;
  };
  const rows: readonly (readonly [string, string])[] = [
    [
      'Held-out text',
      `${formatInteger(windows)} windows of ${formatInteger(contextLength)} tokens, the same for all`,
    ],
    ['Seeds', `${seeds.join(', ')}: identical batches in identical order for all candidates`],
    ['Learning rates', rates.join(', ')],
    [
      'Rungs',
      `${rungs.map(formatCount).join(', ')} tokens; the learning rate stays constant after the warmup`,
    ],
    ['Intervals', '95 % for all comparisons of a table together; paired over windows and seeds'],
    ['Tokens', against(spent.tokens, estimate.tokens, formatCount)],
    ['Time', against(spent.seconds, estimate.seconds, formatDuration)],
    ['Energy', against(spent.energy, estimate.energy, formatEnergy)],
    ['Cost', against(spent.cost, estimate.cost, formatMoney)],
  ];
  const cells = rows.map(([label, value]) => [`<b>${escapeHtml(label)}</b>`, escapeHtml(value)]);
  return renderTable(['', ''], cells);
}

/** Size and margins of the chart in SVG units. */
const width = 860;
const height = 320;
const left = 56;
const bottom = 36;
const top = 12;
const right = 12;
const plotWidth = width - left - right;
const plotHeight = height - top - bottom;

/** Held-out losses over tokens. The axis begins below the lowest loss and cuts off starts that are far above. */
function renderChart({ candidates }: BakeoffReport): string {
  const points = candidates.flatMap(({ curve }) => curve);
  if (points.length === 0) return '';
  const most = Math.max(...points.map(({ tokens }) => tokens), 1);
  const ends = candidates.flatMap(({ curve }) => curve.slice(1).map(({ loss }) => loss));
  const shown = ends.length > 0 ? ends : points.map(({ loss }) => loss);
  const low = Math.min(...shown);
  const sorted = [...shown].sort((a, b) => a - b);
  const high = Math.max(low + 1e-3, sorted[Math.floor(0.9 * (sorted.length - 1))]!);
  const x = (tokens: number): number => left + (plotWidth * tokens) / most;
  const y = (loss: number): number => top + (plotHeight * (high - loss)) / (high - low);
  const line = (curve: readonly CurvePoint[], i: number): string => {
    const coordinates = curve.map(({ tokens, loss }) => `${x(tokens).toFixed(1)},${y(loss).toFixed(1)}`);
    return `<polyline style="stroke:${colourOf(i)}" points="${coordinates.join(' ')}"/>`;
  };
  const levels = [low, (low + high) / 2, high].map((level) => {
    const at = y(level).toFixed(1);
    const grid = `<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/>`;
    return `${grid}<text x="${left - 6}" y="${at}" dy="4" text-anchor="end">${formatNumber(level, 3)}</text>`;
  });
  return `<h2>Held-out loss over tokens</h2>
<p class="soft">Nats per token, of the best learning rate with the first seed.</p>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Held-out loss of every candidate over tokens">
<clipPath id="inside"><rect x="${left}" y="${top}" width="${plotWidth}" height="${plotHeight}"/></clipPath>
${levels.join('\n')}
<g clip-path="url(#inside)">${candidates.map(({ curve }, i) => line(curve, i)).join('\n')}</g>
<text x="${left}" y="${height - 12}">0</text>
<text x="${width - right}" y="${height - 12}" text-anchor="end">${formatCount(most)} tokens</text>
</svg>`;
}
