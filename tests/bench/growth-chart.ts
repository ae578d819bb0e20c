/** @file Draws the loss curves of `npm run bench:growth` as SVG. */

export interface Line {
  readonly name: string;
  readonly parameters: number;
  /** Random weights and the source are dashed, in gray and black. */
  readonly role: 'random' | 'source' | 'grown';
  readonly points: readonly { readonly tokens: number; readonly loss: number }[];
}

const grownColors = [
  '#15803d',
  '#b45309',
  '#1d4ed8',
  '#be185d',
  '#6d28d9',
  '#0f766e',
  '#a16207',
  '#dc2626',
  '#0369a1',
  '#4d7c0f',
  '#9333ea',
  '#c2410c',
  '#475569',
];
const roleColors = { random: '#6b7280', source: '#111827' } as const;

const width = 900;
const height = 460;
const left = 56;
const right = 250;
const top = 40;
const bottom = 50;
const labelHeight = 15;

export const formatThousands = (count: number): string => `${(count / 1000).toFixed(0)} k`;
const lastLoss = ({ points }: Line): number => points.at(-1)!.loss;

/** Scales of the axes. Losses more than 0.6 above the highest final loss are cut off. */
function scalesOf(lines: readonly Line[]) {
  const points = lines.flatMap((line) => line.points);
  const maxTokens = Math.max(...points.map((point) => point.tokens));
  const low = Math.min(...points.map((point) => point.loss)) - 0.02;
  const high = Math.max(...lines.map(lastLoss)) + 0.6;
  const x = (tokens: number): number => left + (tokens / maxTokens) * (width - left - right);
  const y = (loss: number): number => top + ((high - loss) / (high - low)) * (height - top - bottom);
  return { maxTokens, low, high, x, y };
}
type Scales = ReturnType<typeof scalesOf>;

/** Heights of the labels: each at the end of its line if possible, without overlaps, and within the chart. */
function placeLabels(ends: readonly number[]): readonly number[] {
  const labels = [...ends];
  for (let i = 1; i < labels.length; i++) labels[i] = Math.max(labels[i]!, labels[i - 1]! + labelHeight);
  let lowest = height - 12;
  for (let i = labels.length - 1; i >= 0; i--) {
    labels[i] = Math.min(labels[i]!, lowest);
    lowest -= labelHeight;
  }
  return labels;
}

function drawLine(line: Line, index: number, label: number, { high, x, y }: Scales): string {
  const color = line.role === 'grown' ? grownColors[index % grownColors.length]! : roleColors[line.role];
  const dash = line.role === 'grown' ? '' : ' stroke-dasharray="5 4"';
  const path = line.points
    .filter((point) => point.loss <= high)
    .map(({ tokens, loss }, i) => `${i === 0 ? 'M' : 'L'}${x(tokens).toFixed(1)} ${y(loss).toFixed(1)}`)
    .join('');
  const text = `${lastLoss(line).toFixed(3)}  ${line.name} (${formatThousands(line.parameters)})`;
  return (
    `<path d="${path}" fill="none" stroke="${color}" stroke-width="1.6"${dash}/>` +
    `<text x="${width - right + 22}" y="${(label + 4).toFixed(1)}" fill="${color}">${text}</text>`
  );
}

function drawLossTick(loss: number, { y }: Scales): string {
  const position = y(loss);
  return (
    `<line x1="${left}" x2="${width - right}" y1="${position.toFixed(1)}" y2="${position.toFixed(1)}" ` +
    `stroke="#e5e7eb"/><text x="${left - 8}" y="${(position + 4).toFixed(1)}" text-anchor="end" ` +
    `fill="#374151">${loss.toFixed(2)}</text>`
  );
}

const drawTokenTick = (tokens: number, { x }: Scales): string =>
  `<text x="${x(tokens).toFixed(1)}" y="${height - 28}" text-anchor="middle" fill="#374151">` +
  `${formatThousands(tokens)}</text>`;

/** One line per start, with labels at their ends in order of the final loss. */
export function drawChart(title: string, lines: readonly Line[]): string {
  const scales = scalesOf(lines);
  const { maxTokens, low, high, y } = scales;
  const sorted = [...lines].sort((a, b) => lastLoss(a) - lastLoss(b));
  const labels = placeLabels(sorted.map((line) => y(lastLoss(line))));
  const lossTicks = Array.from({ length: 6 }, (_, i) => low + ((high - low) * i) / 5);
  const tokenTicks = [0, 0.25, 0.5, 0.75, 1].map((share) => share * maxTokens);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
      `font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="${title}">` +
      '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${left}" y="22" font-size="14" font-weight="600" fill="#111827">${title}</text>`,
    ...lossTicks.map((loss) => drawLossTick(loss, scales)),
    ...tokenTicks.map((tokens) => drawTokenTick(tokens, scales)),
    `<text x="${(left + width - right) / 2}" y="${height - 8}" text-anchor="middle" fill="#374151">tokens</text>`,
    ...sorted.map((line, i) => drawLine(line, i, labels[i]!, scales)),
    '</svg>',
    '',
  ].join('\n');
}
