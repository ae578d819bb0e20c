/** @file A tuning as a web page of its own, which loads nothing from elsewhere. */
import { formatDuration, formatNumber } from '../../base/format.ts';
import { escapeHtml, renderReport } from '../../base/html.ts';
import { layoutLogChart, type LogLine } from './log-chart.ts';
import { bestTrial, type CoordinateCheck, type Tuning } from './tuning.ts';
import {
  describeBest,
  describeCoordinates,
  describeEnd,
  describeMultipliers,
  describeShift,
  formatTick,
  formatValue,
  listCoordinates,
  listRateCurves,
  nameOfValue,
  widthLabels,
} from './words.ts';

/** Colours of lines by their number, for light and dark pages. */
const colours = ['#3f6fb5', '#1f8a5b', '#b0642a', '#8a4fa3', '#a33a4a', '#4b8f9c', '#7a7a2e', '#666f7a'];

const styles = `
.pair { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); }
figure { margin: 0; }
figcaption { font-weight: 600; }
ul.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: .85rem; }
`;

/** The report as a page. */
export function renderTuningPage(tuning: Tuning): string {
  const { name, checkpoint, coordinateCheck, trials } = tuning;
  const shift = describeShift(tuning);
  return renderReport(
    `Tuning of ${name}`,
    styles,
    `<h1>Tuning of ${escapeHtml(name)}</h1>
<p class="soft">${escapeHtml(checkpoint)}</p>
${trials.length > 0 ? `<p><strong>${escapeHtml(describeBest(tuning))}</strong></p>` : ''}
${shift === undefined ? '' : `<p>${escapeHtml(shift)}</p>`}
${trials.length > 0 ? renderCurves(tuning) : ''}
${coordinateCheck ? renderCoordinates(coordinateCheck) : ''}
<h2>What is kept of µP</h2>
<ul>${describeMultipliers(tuning)
      .map((line) => `<li>${escapeHtml(line)}</li>`)
      .join('')}</ul>
${trials.length > 0 ? renderTrials(tuning) : ''}`,
  );
}

const renderCurves = (tuning: Tuning): string => `<h2>Loss over learning rate</h2>
<p class="soft">Held-out loss of each trial, in nats per token. Hollow: stopped early.</p>
${renderChart(listRateCurves(tuning), { label: 'Loss over learning rate', xLabel: 'learning rate' })}`;

function renderCoordinates(check: CoordinateCheck): string {
  const picture = (title: string, lines: readonly LogLine[]): string =>
    `<figure><figcaption>${title}</figcaption>${renderChart(lines, {
      label: `Scale of activations over width: ${title}`,
      xLabel: 'width',
      xMarks: check.widths,
      size: { width: 480, height: 320 },
    })}</figure>`;
  return `<h2>Coordinate check</h2>
<p>${escapeHtml(describeCoordinates(check))}</p>
<p class="soft">Root mean square of each activation after ${check.steps} updates at ${formatNumber(check.lr)}, of random
models with ${check.layers} layers.</p>
<div class="pair">${picture('µP', listCoordinates(check, check.mup))}
${picture('Standard', listCoordinates(check, check.standard))}</div>`;
}

interface ChartOptions {
  readonly label: string;
  readonly xLabel: string;
  readonly xMarks?: readonly number[];
  readonly size?: { readonly width: number; readonly height: number };
}

/** A chart as SVG, with its key. */
export function renderChart(
  lines: readonly LogLine[],
  { label, xLabel, xMarks, size = { width: 860, height: 320 } }: ChartOptions,
): string {
  const layout = layoutLogChart(lines, size, xMarks);
  if (!layout) return '';
  const { plot, width, height } = layout;
  const fixed = (value: number): string => value.toFixed(1);
  const grid = layout.yTicks.map(
    ({ at, value }) =>
      `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${fixed(at)}" y2="${fixed(at)}"/>` +
      `<text x="${plot.left - 6}" y="${fixed(at)}" dy="4" text-anchor="end">${formatTick(value)}</text>`,
  );
  const marks = layout.xTicks.map(
    ({ at, value }) =>
      `<text x="${fixed(at)}" y="${plot.bottom + 18}" text-anchor="middle">${formatTick(value)}</text>`,
  );
  const drawn = layout.lines.map(({ points }, i) => {
    const colour = colours[i % colours.length]!;
    const path = points.map(({ x, y }) => `${fixed(x)},${fixed(y)}`).join(' ');
    const dots = points.map(
      ({ x, y, isHollow }) =>
        `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="3.5" stroke="${colour}" fill="${isHollow ? 'none' : colour}"/>`,
    );
    const dashes = i < colours.length ? '' : ' stroke-dasharray="6 4"';
    const line = `<polyline fill="none" stroke="${colour}" stroke-width="2"${dashes} points="${path}"/>`;
    return line + dots.join('');
  });
  const key = lines.map(({ name }, i) => {
    const mark = i < colours.length ? '●' : '○';
    const dot = `<span style="color:${colours[i % colours.length]!}" aria-hidden="true">${mark}</span>`;
    return `<li>${dot} ${escapeHtml(name)}</li>`;
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(label)}">
${grid.join('\n')}
${marks.join('\n')}
<text x="${(plot.left + plot.right) / 2}" y="${height - 4}" text-anchor="middle">${escapeHtml(xLabel)}</text>
${drawn.join('\n')}
</svg>
<ul class="key">${key.join('')}</ul>`;
}

function renderTrials(tuning: Tuning): string {
  const best = [bestTrial(tuning, 'source'), bestTrial(tuning, 'target')];
  const ids = Object.keys(tuning.trials[0]!.values);
  const rows = tuning.trials.map((trial, i) => {
    const cells = [
      `${i + 1}${best.includes(trial) ? ' ★' : ''}`,
      widthLabels[trial.width],
      ...ids.map((id) => formatValue(id, trial.values[id]!)),
      describeEnd(trial),
      formatDuration(trial.seconds),
    ];
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
  });
  const heads = ['Trial', 'Model', ...ids.map((id) => nameOfValue(tuning, id)), 'Held-out loss', 'Time'];
  return `<h2>Trials</h2>
<table><tr>${heads.map((head) => `<th scope="col">${escapeHtml(head)}</th>`).join('')}</tr>
${rows.join('\n')}
</table>`;
}
