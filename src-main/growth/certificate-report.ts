/** @file A certificate as a file: JSON, or a web page of its own that loads nothing from elsewhere. */
import { formatCount, formatInteger, formatNumber } from '../base/format.ts';
import { escapeHtml, renderReport } from '../base/html.ts';
import type {
  Certificate,
  DifferenceHistogram,
  LossByPosition,
  WorstPosition,
} from '../model/certificate.ts';
import { describeBin, describeCertificate, listCertificateRows } from './certificate-words.ts';

export type ReportFormat = 'json' | 'html';

/** What the report names beside the certificate. */
export interface ReportSubject {
  readonly source: string;
  readonly grown: string;
}

/** The report as text. JSON holds the certificate as growth.json does. */
export const formatReport = (c: Certificate, subject: ReportSubject, format: ReportFormat): string =>
  format === 'json' ? `${JSON.stringify({ ...subject, certificate: c }, null, 1)}\n` : renderPage(c, subject);

const verdictColours: Readonly<Record<Certificate['verdict'], string>> = {
  passed: 'good',
  failed: 'bad',
  measured: 'warn',
};

const styles = `
:root {
  --good: light-dark(#1f7a4d, #4fc38a);
  --bad: light-dark(#b3261e, #f2857c);
  --warn: light-dark(#8a5a00, #e0b050);
  --source: light-dark(#44577a, #90a9d6);
}
.verdict { border-left: 4px solid; padding-left: 1rem; margin: 1rem 0; }
.good { border-color: var(--good); }
.bad { border-color: var(--bad); }
.warn { border-color: var(--warn); }
.verdict p { margin: .25rem 0; }
.source { stroke: var(--source); }
.grown { stroke: var(--good); stroke-dasharray: 6 4; }
.bar { fill: var(--source); }
td { overflow-wrap: anywhere; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
`;

function renderPage(c: Certificate, { source, grown }: ReportSubject): string {
  const { title, explanation } = describeCertificate(c);
  return renderReport(
    `Certificate of ${grown}`,
    styles,
    `<h1>Certificate of ${escapeHtml(grown)}</h1>
<p class="soft">Grown from ${escapeHtml(source)} with Cambium</p>
<div class="verdict ${verdictColours[c.verdict]}">
<p><strong>${escapeHtml(title)}</strong></p>
<p>${escapeHtml(explanation)}</p>
</div>
<table>${renderRows(c)}</table>
${c.byPosition ? renderLosses(c.byPosition) : ''}
${c.histogram ? renderHistogram(c.histogram) : ''}
${c.worst && c.worst.length > 0 ? renderWorst(c.worst, c.promise === 'function-preserving') : ''}`,
  );
}

const renderRows = (c: Certificate): string =>
  listCertificateRows(c)
    .map(({ label, value, note = '' }) => {
      const cells = `<td>${escapeHtml(value)}</td><td class="soft">${escapeHtml(note)}</td>`;
      return `<tr><th scope="row">${escapeHtml(label)}</th>${cells}</tr>`;
    })
    .join('\n');

/** Size and margins of the charts in SVG units. */
const width = 860;
const height = 260;
const left = 56;
const bottom = 36;
const top = 12;
const right = 12;
const plotWidth = width - left - right;
const plotHeight = height - top - bottom;

/** Mean loss over the position in the window, of both models. */
function renderLosses({ width: step, source, grown }: LossByPosition): string {
  const all = [...source, ...grown];
  const low = Math.min(...all);
  const high = Math.max(...all, low + 1e-3);
  const x = (i: number): number => left + (plotWidth * (i + 0.5)) / source.length;
  const y = (loss: number): number => top + (plotHeight * (high - loss)) / (high - low);
  const line = (losses: readonly number[], className: string): string => {
    const points = losses.map((loss, i) => `${x(i).toFixed(1)},${y(loss).toFixed(1)}`).join(' ');
    return `<polyline class="${className}" points="${points}"/>`;
  };
  const last = formatInteger(source.length * step - 1);
  return `<h2>Mean loss by position</h2>
<p class="soft">Nats per token. Solid: source. Dashed: grown model.</p>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Mean loss by position of source and grown model">
${renderLevels(low, high, y)}
${line(source, 'source')}${line(grown, 'grown')}
<text x="${left}" y="${height - 12}">position 0</text>
<text x="${width - right}" y="${height - 12}" text-anchor="end">${last}</text>
</svg>`;
}

function renderLevels(low: number, high: number, y: (value: number) => number): string {
  return [low, (low + high) / 2, high]
    .map((level) => {
      const at = y(level).toFixed(1);
      const grid = `<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/>`;
      return `${grid}<text x="${left - 6}" y="${at}" dy="4" text-anchor="end">${formatNumber(level, 3)}</text>`;
    })
    .join('\n');
}

/** How many logit differences have which size. Heights are logarithmic, because most are tiny. */
function renderHistogram({ edges, counts }: DifferenceHistogram): string {
  const most = Math.log10(Math.max(...counts) + 1);
  const step = plotWidth / counts.length;
  const bars = counts.map((count, i) => {
    const size = most === 0 ? 0 : (plotHeight * Math.log10(count + 1)) / most;
    const x = left + i * step;
    const label = describeBin(edges, i);
    const y = (top + plotHeight - size).toFixed(1);
    const middle = (x + step / 2).toFixed(1);
    const bar = `x="${(x + 4).toFixed(1)}" y="${y}" width="${(step - 8).toFixed(1)}" height="${size.toFixed(1)}"`;
    return `<rect class="bar" ${bar}/>
<text x="${middle}" y="${height - 18}" text-anchor="middle">${label}</text>
<text x="${middle}" y="${height - 4}" text-anchor="middle">${formatCount(count)}</text>`;
  });
  return `<h2>Differences of logits</h2>
<p class="soft">How many absolute differences have which size; heights are logarithmic.</p>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Histogram of logit differences">
${bars.join('\n')}
</svg>`;
}

function renderWorst(worst: readonly WorstPosition[], isByLogit: boolean): string {
  const rows = worst.map((w) => {
    const cells = [
      formatInteger(w.token),
      `<pre>${escapeHtml(w.context)}<mark>${escapeHtml(w.next)}</mark></pre>`,
      formatNumber(w.maxLogit, 3),
      formatNumber(w.kl, 3),
      `${formatNumber(w.lossSource)} → ${formatNumber(w.lossGrown)}`,
      `<pre>${escapeHtml(w.topSource)} → ${escapeHtml(w.topGrown)}</pre>`,
    ];
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const heads = ['Token', 'Text, next token marked', '|Δlogit|', 'KL', 'Loss', 'Top-1 token'];
  return `<h2>Positions that differ most</h2>
<p class="soft">By ${isByLogit ? 'the largest difference of a logit' : 'KL divergence'}.</p>
<table><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr>
${rows.join('\n')}
</table>`;
}
