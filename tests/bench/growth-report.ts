/** @file Writes docs/results.md and its charts from the runs of `npm run bench:growth`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { firstReach } from '../../src-main/train/reached.ts';
import { drawChart, formatThousands, type Line } from './growth-chart.ts';

/** A line of results.jsonl: the held-out losses of one run, in nats per token. */
export interface Result {
  readonly corpus: string;
  /** The growth method, `randomStart` or `sourceStart`. */
  readonly start: string;
  /** The sizes of the model, or `sourceTarget`. Starts of the same target are compared. */
  readonly target: string;
  readonly seed: number;
  readonly lr: number;
  readonly parameters: number;
  readonly curve: readonly { readonly tokens: number; readonly loss: number }[];
}

// Values in results.jsonl.
export const randomStart = 'random weights';
export const sourceStart = 'the source, trained on';
export const sourceTarget = 'source';

export interface ReportSettings {
  readonly tokens: number;
  readonly sourceTokens: number;
  readonly learningRates: readonly number[];
  readonly seeds: readonly number[];
  /** The folder docs/. */
  readonly docs: string;
}

/** The runs of one start, all seeds with the same learning rate. */
type StartResults = readonly Result[];

const lastLoss = (result: Result): number => result.curve.at(-1)!.loss;
const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const nameOf = (start: string): string => (start === sourceStart ? 'source, trained further' : start);

/** The mean and the range of values: `3.002 (2.992–3.009)`. */
function formatRange(values: readonly number[], format: (value: number) => string): string {
  if (values.length === 0) return '';
  if (values.length === 1) return format(values[0]!);
  return `${format(meanOf(values))} (${format(Math.min(...values))}–${format(Math.max(...values))})`;
}
const formatLosses = (values: readonly number[]): string => formatRange(values, (loss) => loss.toFixed(3));

/** Groups results by start, each with the learning rate that has the lowest final loss on the first seed. */
function groupByStart(results: readonly Result[]): readonly StartResults[] {
  const groups = Map.groupBy(results, (result) => `${result.start} ${result.target}`);
  return [...groups.values()].map((runs) => {
    const ofFirstSeed = runs.filter((run) => run.seed === runs[0]!.seed);
    const { lr } = ofFirstSeed.reduce((a, b) => (lastLoss(b) < lastLoss(a) ? b : a));
    return runs.filter((run) => run.lr === lr);
  });
}

/** Whether all final losses are lower than all others: `yes`, `no`, or `no difference` if the ranges overlap. */
function compareRanges(losses: readonly number[], others: readonly number[]): string {
  if (others.length === 0) return '';
  if (Math.max(...losses) < Math.min(...others)) return 'yes';
  return Math.min(...losses) > Math.max(...others) ? 'no' : 'no difference';
}

/** The tokens after which each seed reaches the final loss of random weights with the same seed. */
function formatTokensToReach(runs: StartResults, randomRuns: StartResults): string {
  const reached = runs.map((run) => {
    const curve = run.curve.map(({ tokens, loss }) => ({ x: tokens, loss }));
    const sameSeed = randomRuns.find((other) => other.seed === run.seed) ?? randomRuns[0]!;
    return firstReach(curve, lastLoss(sameSeed));
  });
  const known = reached.filter((tokens) => tokens !== null);
  const missing = reached.length - known.length;
  if (missing > 0) return `not reached by ${missing} of ${reached.length}`;
  return `${formatRange(known, formatThousands)} of ${formatThousands(runs[0]!.curve.at(-1)!.tokens)}`;
}

function formatTable(results: readonly Result[]): string {
  const starts = groupByStart(results);
  const sourceRuns = starts.find((runs) => runs[0]!.target === sourceTarget) ?? [];
  const randomRuns = starts.filter((runs) => runs[0]!.start === randomStart);
  const randomByTarget = new Map(randomRuns.map((runs) => [runs[0]!.target, runs]));
  const others = starts.filter((runs) => runs[0]!.start !== randomStart);
  others.sort((a, b) => meanOf(a.map(lastLoss)) - meanOf(b.map(lastLoss)));
  const rows = others.map((runs) => {
    const { start, target, parameters, lr } = runs[0]!;
    const random = randomByTarget.get(target);
    const finalLosses = runs.map(lastLoss);
    const randomLosses = random?.map(lastLoss) ?? [];
    return [
      `\`${nameOf(start)}\``,
      formatThousands(parameters),
      String(lr),
      formatLosses(runs.map((run) => run.curve[0]!.loss)),
      formatLosses(finalLosses),
      formatLosses(randomLosses),
      random ? formatTokensToReach(runs, random) : '',
      compareRanges(finalLosses, randomLosses),
      random ? compareRanges(finalLosses, sourceRuns.map(lastLoss)) : '',
    ];
  });
  const columns = [
    'start',
    'parameters',
    'learning rate',
    'first loss',
    'final loss',
    'final loss of random weights',
    'tokens to reach that loss',
    'better than random weights',
    'better than the source',
  ];
  const toLine = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [toLine(columns), `|${'---|'.repeat(columns.length)}`, ...rows.map(toLine)].join('\n');
}

/** The mean loss of each start over its seeds. */
const linesOf = (results: readonly Result[]): readonly Line[] =>
  groupByStart(results).map((runs) => {
    const { start, target, parameters, curve } = runs[0]!;
    return {
      name: nameOf(start),
      parameters,
      role: start === randomStart ? 'random' : target === sourceTarget ? 'source' : 'grown',
      points: curve.map((point, i) => ({
        tokens: point.tokens,
        loss: meanOf(runs.map((run) => run.curve[i]?.loss ?? point.loss)),
      })),
    };
  });

function introduction({ tokens, sourceTokens, learningRates, seeds }: ReportSettings): string {
  const processor = cpus()[0]?.model.trim() ?? 'an unknown CPU';
  return `# Does growth help?

\`npm run bench:growth\` wrote this page, its table and its charts on ${processor}.

The source is a Llama with 4 layers and hidden size 64, trained from random weights on
${formatThousands(sourceTokens)} tokens. Every method grows it ×2 (hidden and ffn if it can, else layers, else what it
can), and the grown model is trained on ${formatThousands(tokens)} tokens. It is compared with random weights of the
same size and with the source itself, on the same batches in the same order, with ${seeds.length} seeds each.

Every start uses the better of the learning rates ${learningRates.join(' and ')}, judged by the final loss of the
first seed. The schedule is cosine to 5 %, the optimizer AdamW, and a batch has 2,048 tokens. Losses are nats per
token on held-out text, with the range over the seeds in brackets.

"Better" compares the final losses of all seeds after the same number of tokens; "no difference" means that the
ranges overlap. The source needs only a fraction of the compute of a grown model. Before, it was trained on six times
as many tokens of small corpora, which it knows well by then: growth saves what random weights must learn first, and
the last column shows whether it also improves on the source.
`;
}

export function writeReport(results: readonly Result[], settings: ReportSettings): void {
  const images = join(settings.docs, 'images');
  mkdirSync(images, { recursive: true });
  const sections: string[] = [];
  for (const [corpus, runs] of Map.groupBy(results, (result) => result.corpus)) {
    const image = `results-${corpus}.svg`;
    const title = `Held-out loss on ${corpus}, mean of ${settings.seeds.length} seeds`;
    writeFileSync(join(images, image), drawChart(title, linesOf(runs)));
    sections.push(`## ${corpus}\n\n![held-out loss over tokens](images/${image})\n\n${formatTable(runs)}\n`);
  }
  writeFileSync(join(settings.docs, 'results.md'), [introduction(settings), ...sections].join('\n'));
}
