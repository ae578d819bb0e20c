/** @file docs/results.md and its charts from the runs of `npm run bench:growth`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { reached } from '../../src-main/train/reached.ts';

/**
 * One run: held-out loss in nats per token over the tokens trained on. `target`: the sizes it has, so that
 * like is set beside like.
 */
export interface Result {
  readonly corpus: string;
  readonly start: string;
  readonly target: string;
  readonly seed: number;
  readonly lr: number;
  readonly parameters: number;
  readonly curve: readonly { readonly tokens: number; readonly loss: number }[];
}

interface Settings {
  readonly tokens: number;
  readonly sourceTokens: number;
  readonly rates: readonly number[];
  readonly seeds: readonly number[];
  readonly docs: string;
}

const random = 'random weights';
const last = (r: Result): number => r.curve.at(-1)!.loss;
const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
const spread = (xs: readonly number[], show: (x: number) => string): string =>
  xs.length < 2 ? show(xs[0]!) : `${show(mean(xs))} (${show(Math.min(...xs))}–${show(Math.max(...xs))})`;
const k = (tokens: number): string => `${(tokens / 1000).toFixed(0)} k`;

/** The runs of each start with its best learning rate: that of the first seed's lowest end. */
function starts(results: readonly Result[]): readonly (readonly Result[])[] {
  const groups = Map.groupBy(results, (r) => `${r.start} ${r.target}`);
  return [...groups.values()].map((runs) => {
    const first = runs.filter((r) => r.seed === runs[0]!.seed);
    const { lr } = first.reduce((a, b) => (last(b) < last(a) ? b : a));
    return runs.filter((r) => r.lr === lr);
  });
}

function table(results: readonly Result[]): string {
  const all = starts(results);
  const source = all.find((runs) => runs[0]!.target === 'source');
  const randomOf = new Map(
    all.filter((runs) => runs[0]!.start === random).map((runs) => [runs[0]!.target, runs]),
  );
  const rows = all
    .filter((runs) => runs[0]!.start !== random)
    .map((runs) => {
      const beside = randomOf.get(runs[0]!.target);
      const ends = runs.map(last);
      const first = runs.map((r) => r.curve[0]!.loss);
      const toReach =
        beside === undefined
          ? []
          : runs.map((r) =>
              reached(
                r.curve.map(({ tokens, loss }) => ({ x: tokens, loss })),
                last(beside.find((b) => b.seed === r.seed) ?? beside[0]!),
              ),
            );
      const budget = runs[0]!.curve.at(-1)!.tokens;
      const scratch = beside === undefined ? [] : beside.map(last);
      const sooner = toReach.filter((t) => t !== null);
      const never = toReach.length - sooner.length;
      const pays =
        beside === undefined
          ? ''
          : never > 0
            ? `not reached by ${never} of ${toReach.length}`
            : `${spread(sooner, k)} of ${k(budget)}`;
      const against = (others: readonly number[]): string =>
        others.length === 0
          ? ''
          : Math.max(...ends) < Math.min(...others)
            ? 'yes'
            : Math.min(...ends) > Math.max(...others)
              ? 'no'
              : 'not beyond the spread';
      return {
        end: mean(ends),
        line: `| \`${runs[0]!.start}\` | ${(runs[0]!.parameters / 1e3).toFixed(0)} k | ${runs[0]!.lr} | ${spread(first, (x) => x.toFixed(3))} | ${spread(ends, (x) => x.toFixed(3))} | ${beside === undefined ? '' : spread(scratch, (x) => x.toFixed(3))} | ${pays} | ${against(scratch)} | ${beside === undefined ? '' : against(source?.map(last) ?? [])} |`,
      };
    });
  return [
    '| start | parameters | learning rate | loss at the start | loss at the end | random weights of this size end at | tokens to reach that | pays beside random weights | pays beside the source trained on |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows.sort((a, b) => a.end - b.end).map((r) => r.line),
  ].join('\n');
}

const colors = [
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

/** Mean held-out loss over tokens, one line per start; random weights and the source dashed. */
function chart(title: string, results: readonly Result[]): string {
  const lines = starts(results).map((runs) => ({
    name: runs[0]!.start,
    source: runs[0]!.target === 'source',
    size: runs[0]!.parameters,
    points: runs[0]!.curve.map((p, i) => ({
      tokens: p.tokens,
      loss: mean(runs.map((r) => r.curve[i]?.loss ?? p.loss)),
    })),
  }));
  const most = Math.max(...lines.flatMap((l) => l.points.map((p) => p.tokens)));
  const ends = lines.map((l) => l.points.at(-1)!.loss);
  const low = Math.min(...lines.flatMap((l) => l.points.map((p) => p.loss))) - 0.02;
  const high = Math.max(...ends) + 0.6;
  const width = 900;
  const height = 460;
  const left = 56;
  const right = 250;
  const x = (t: number): number => left + (t / most) * (width - left - right);
  const y = (l: number): number => 40 + ((high - l) / (high - low)) * (height - 90);
  const ticks = Array.from({ length: 6 }, (_, i) => low + ((high - low) * i) / 5);
  const colour = (i: number): string => colors[i % colors.length]!;
  const sorted = [...lines].sort((a, b) => a.points.at(-1)!.loss - b.points.at(-1)!.loss);
  // Labels beside the ends of their lines, below each other, and none below the chart.
  const labels = sorted.map((line) => y(line.points.at(-1)!.loss));
  const step = 15;
  for (let i = 1; i < labels.length; i++) labels[i] = Math.max(labels[i]!, labels[i - 1]! + step);
  for (let i = labels.length - 1, most = height - 12; i >= 0; i--, most -= step)
    labels[i] = Math.min(labels[i]!, most);
  const drawn = sorted.map((line, i) => {
    const dashed = line.name === random || line.source;
    const stroke = line.name === random ? '#6b7280' : line.source ? '#111827' : colour(i);
    const label = labels[i]!;
    const path = line.points
      .filter((p) => p.loss <= high)
      .map((p, j) => `${j === 0 ? 'M' : 'L'}${x(p.tokens).toFixed(1)} ${y(p.loss).toFixed(1)}`)
      .join('');
    return `<path d="${path}" fill="none" stroke="${stroke}" stroke-width="1.6"${dashed ? ' stroke-dasharray="5 4"' : ''}/><text x="${width - right + 22}" y="${(label + 4).toFixed(1)}" fill="${stroke}">${line.points.at(-1)!.loss.toFixed(3)}  ${line.name} (${(line.size / 1e3).toFixed(0)} k)</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="${title}"><rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${left}" y="22" font-size="14" font-weight="600" fill="#111827">${title}</text>`,
    ...ticks.map(
      (l) =>
        `<line x1="${left}" x2="${width - right}" y1="${y(l).toFixed(1)}" y2="${y(l).toFixed(1)}" stroke="#e5e7eb"/><text x="${left - 8}" y="${(y(l) + 4).toFixed(1)}" text-anchor="end" fill="#374151">${l.toFixed(2)}</text>`,
    ),
    ...[0, 0.25, 0.5, 0.75, 1].map(
      (f) =>
        `<text x="${x(f * most).toFixed(1)}" y="${height - 28}" text-anchor="middle" fill="#374151">${k(f * most)}</text>`,
    ),
    `<text x="${(left + width - right) / 2}" y="${height - 8}" text-anchor="middle" fill="#374151">tokens</text>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

export function writeResults(
  results: readonly Result[],
  { tokens, sourceTokens, rates, seeds, docs }: Settings,
): void {
  const texts = Map.groupBy(results, (r) => r.corpus);
  mkdirSync(join(docs, 'images'), { recursive: true });
  for (const [corpus, runs] of texts)
    writeFileSync(
      join(docs, 'images', `results-${corpus}.svg`),
      chart(`Held-out loss on ${corpus}, mean of ${seeds.length} seeds`, runs),
    );
  writeFileSync(
    join(docs, 'results.md'),
    `# Does growing pay?

Made by \`npm run bench:growth\` on ${cpus()[0]?.model.trim() ?? 'this processor'}; the table and the charts are written by it, and nothing here is typed by hand.

A Llama of 4 layers and 64 channels is trained from random weights for ${k(sourceTokens)} tokens, grown ×2 by every method (width where it can, else depth, else what it can), and trained for ${k(tokens)} tokens:
beside random weights of exactly the same size, and beside the source itself, on the same batches in the same order, ${seeds.length} seeds each.
Every start has the better of the learning rates ${rates.join(' and ')} (by its end on the first seed), cosine to 5 %, AdamW, batches of 2,048 tokens. Losses are nats per token on held-out text; in brackets, lowest and highest of the seeds.
"Pays" compares the ends of all seeds at equal tokens: with random weights of the same size, and with the source trained on, which costs a fraction of the compute. Where ranges overlap it says so.
The source has had six times the tokens of what follows, of corpora that it nearly knows. There growing saves all that random weights would have to learn again; what it adds to the source trained on as long is the last column, where "not beyond the spread" means: not shown.

${[...texts].map(([corpus, runs]) => `## ${corpus}\n\n![held-out loss over tokens](images/results-${corpus}.svg)\n\n${table(runs)}\n`).join('\n')}`,
  );
}
