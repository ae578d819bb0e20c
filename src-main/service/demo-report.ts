/** @file The report of the demo: an HTML page with the loss curves, a table of the results, and samples. */
import { escapeHtml, renderReport } from '../base/html.ts';
import { formatInteger, formatNumber } from '../base/format.ts';
import { describePromise, type Curve, type DemoResult, type Point } from './demo.ts';

const formatLoss = (loss: number): string => loss.toFixed(3);
const formatDelta = (logit: number): string => formatNumber(logit, 2);

/** The results as rows of label and value, for the table on the terminal and on the page. */
export function summarizeDemo(r: DemoResult): readonly (readonly [string, string])[] {
  const { source, plan, certificate, exported, tokensToMatch } = r;
  const tokens = formatInteger(r.settings.tokens);
  return [
    ['Source', `${formatInteger(source.parameters)} parameters, held-out loss ${formatLoss(r.sourceLoss)}`],
    [
      'Grown ×2',
      `${formatInteger(plan.parameters.after)} parameters, ${describePromise(plan)}, ` +
        `largest |Δlogit| ${formatDelta(certificate.maxLogit)} (tolerance ${formatDelta(certificate.tolerance)})`,
    ],
    ['Grown model after training', describeCurve(r.grown, tokens)],
    ['Random weights after training', describeCurve(r.random, tokens)],
    [
      'Tokens until random weights reach the loss of the source',
      tokensToMatch === null ? `more than ${tokens}` : formatInteger(tokensToMatch),
    ],
    [
      'Export',
      `${exported.dir} (read back: ${formatInteger(r.reopened.parameters)} parameters, ` +
        `largest |Δlogit| ${formatDelta(exported.maxLogit)})`,
    ],
  ];
}

function describeCurve({ heldOut, seconds }: Curve, tokens: string): string {
  const first = formatLoss(heldOut[0]!.loss);
  const last = formatLoss(heldOut.at(-1)!.loss);
  return `held-out loss ${first} → ${last} in ${tokens} tokens, ${seconds.toFixed(0)} s`;
}

/** Size and margins of the chart in SVG units. */
const width = 860;
const height = 380;
const left = 56;
const bottom = 40;
const top = 16;
const right = 16;

/** From coordinates of the chart (tokens, loss) to SVG units. */
interface Scale {
  x(tokens: number): number;
  y(loss: number): number;
  /** The range of losses that is shown. */
  readonly low: number;
  readonly high: number;
}

/** The loss axis starts just below the lowest loss and cuts off the start of the random weights. */
function createScale({ grown, random, sourceLoss, settings }: DemoResult): Scale {
  const heldOut = [grown, random].flatMap((curve) => curve.heldOut.map((p) => p.loss));
  const losses = [...heldOut, sourceLoss];
  const least = Math.min(...losses);
  const low = Math.floor(least * 10) / 10;
  const highest = Math.ceil(Math.max(...losses) * 10) / 10;
  const high = Math.min(highest, low + 8 * Math.max(0.1, sourceLoss - least));
  return {
    x: (tokens) => left + ((width - left - right) * tokens) / settings.tokens,
    y: (loss) => top + ((height - top - bottom) * (high - loss)) / (high - low),
    low,
    high,
  };
}

function renderCurve(points: readonly Point[], { x, y }: Scale, className: string): string {
  const coordinates = points.map((p) => `${x(p.tokens).toFixed(1)},${y(p.loss).toFixed(1)}`);
  return `<polyline class="${className}" points="${coordinates.join(' ')}"/>`;
}

function renderLossAxis({ y, low, high }: Scale): string {
  const ticks = Array.from({ length: 6 }, (_, i) => low + ((high - low) * i) / 5);
  return ticks
    .map((tick) => {
      const line = `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(tick)}" y2="${y(tick)}"/>`;
      return `${line}<text x="${left - 8}" y="${y(tick) + 4}" text-anchor="end">${tick.toFixed(2)}</text>`;
    })
    .join('\n');
}

function renderTokenAxis({ x }: Scale, tokens: number): string {
  const ticks = Array.from({ length: 5 }, (_, i) => (tokens * i) / 4);
  return ticks
    .map((tick) => {
      const isLast = tick === tokens;
      const label = `${formatInteger(tick / 1000)} k${isLast ? ' tokens' : ''}`;
      return `<text x="${x(tick)}" y="${height - 16}" text-anchor="${isLast ? 'end' : 'middle'}">${label}</text>`;
    })
    .join('\n');
}

function renderSourceLoss({ y }: Scale, loss: number): string {
  const at = y(loss);
  const line = `<line class="source" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/>`;
  const label = `source, ${formatLoss(loss)}`;
  return `${line}<text class="source-name" x="${width - right}" y="${at - 6}" text-anchor="end">${label}</text>`;
}

const chartLabel =
  'Held-out loss over tokens of the grown model and of random weights, and the loss of the source';

function renderChart(r: DemoResult): string {
  const { grown, random, settings, sourceLoss } = r;
  const scale = createScale(r);
  const plotWidth = width - left - right;
  const plotHeight = height - top - bottom;
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${chartLabel}">
<clipPath id="inside"><rect x="${left}" y="${top}" width="${plotWidth}" height="${plotHeight}"/></clipPath>
${renderLossAxis(scale)}
${renderTokenAxis(scale, settings.tokens)}
${renderSourceLoss(scale, sourceLoss)}
<g clip-path="url(#inside)">
<g class="faint">${renderCurve(random.steps, scale, 'random')}${renderCurve(grown.steps, scale, 'grown')}</g>
${renderCurve(random.heldOut, scale, 'random')}${renderCurve(grown.heldOut, scale, 'grown')}</g>
</svg>`;
}

const styles = `
:root {
  --grown: light-dark(#1f7a4d, #4fc38a);
  --random: light-dark(#b4552d, #e9925f);
  --source: light-dark(#44577a, #90a9d6);
}
p { color: var(--soft); margin: .25rem 0 1rem; }
polyline { stroke-width: 2.5; }
.grown { stroke: var(--grown); }
.random { stroke: var(--random); }
.faint polyline { stroke-width: 1; opacity: .35; }
.source { stroke: var(--source); stroke-dasharray: 6 4; stroke-width: 1.5; }
.source-name { fill: var(--source); }
th { width: 34%; }
td { overflow-wrap: anywhere; }
.key { display: flex; gap: 1.5rem; }
.key span { display: inline-block; width: 1.2rem; height: .25rem; border-radius: 2px; }
.key span { vertical-align: middle; margin-right: .4rem; }
blockquote { margin: .5rem 0; padding-left: 1rem; border-left: 3px solid var(--rule); white-space: pre-wrap; }
`;

const renderKey = (names: readonly (readonly [string, string])[]): string =>
  names.map(([color, name]) => `<div><span style="background:var(--${color})"></span>${name}</div>`).join('');

const renderRows = (rows: readonly (readonly [string, string])[]): string =>
  rows
    .map(
      ([label, value]) => `<tr><th scope="row">${escapeHtml(label)}</th><td>${escapeHtml(value)}</td></tr>`,
    )
    .join('');

/** The whole page. It loads nothing from elsewhere. */
export function renderDemoReport(r: DemoResult): string {
  const family = escapeHtml(r.source.familyTitle);
  const method = escapeHtml(r.plan.request.method);
  const key = renderKey([
    ['grown', 'grown model'],
    ['random', 'random weights'],
    ['source', 'source'],
  ]);
  return renderReport(
    'Cambium demo',
    styles,
    `<h1>Grown model compared with random weights</h1>
<p>The built-in ${family} checkpoint was grown ×2 by ${method} and trained, and so were random weights of the
same size, on the same batches. Thick lines: held-out loss in nats per token. Thin lines: loss of each batch.</p>
<div class="key">${key}</div>
${renderChart(r)}
<table>${renderRows(summarizeDemo(r))}</table>
<h2>Samples</h2>
<p>Grown model after training</p><blockquote>${escapeHtml(r.grown.sample)}</blockquote>
<p>Random weights after training</p><blockquote>${escapeHtml(r.random.sample)}</blockquote>`,
  );
}
