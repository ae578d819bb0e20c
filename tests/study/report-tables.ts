/** @file The tables of docs/results.md. */
import { formatCount, formatFlops } from '../../src-main/base/format.ts';
import {
  compare,
  endsOf,
  lossAt,
  meanLossOf,
  reach,
  shortestOf,
  type Reach,
  type StartResults,
} from './findings.ts';
import type { Result } from './lab.ts';
import { grownNames, type Findings, type ReportInput } from './report-data.ts';
import { randomLike, randomTarget, threeStages, trainedOn } from './study.ts';

export const formatLoss = (loss: number): string => loss.toFixed(3);
export const formatTokens = (tokens: number): string => `${formatCount(tokens)} tokens`;
export const bitsPerByte = (loss: number, { bytesPerToken }: ReportInput): string =>
  (loss / Math.LN2 / bytesPerToken).toFixed(3);

/** `+0.012 (−0.003 to +0.027)` */
export function formatDifference(difference: ReturnType<typeof compare>): string {
  if (!difference) return '–';
  const sign = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
  return `${sign(difference.mean)} (${sign(difference.low)} to ${sign(difference.high)})`;
}

export const tableOf = (columns: readonly string[], rows: readonly (readonly string[])[]): string => {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
};

/** Random weights with the sizes of a start. */
export function controlOf({ starts }: Findings, name: string): StartResults | undefined {
  return starts.get(randomLike(name)) ?? (isControl(name) ? undefined : starts.get(randomTarget));
}
export const isControl = (name: string): boolean => name.startsWith('random') || name === trainedOn;

/** Starts whose own sizes have a control of their own, which may not have been trained. */
export const hasOwnSizes = (name: string): boolean => name === 'identity' || name === 'upcycle';

/** The losses before the first step and after the last, on the windows that a run evaluates. */
const formatCourse = ({ curve }: Result): string =>
  `${formatLoss(curve[0]!.loss)} → ${formatLoss(curve.at(-1)!.loss)}`;

export function equalTokens(findings: Findings): string {
  const { starts, input } = findings;
  const further = starts.get(trainedOn);
  const rows = [...starts.values()]
    .filter(({ name }) => name !== threeStages)
    .map((start) => {
      const results = shortestOf(start);
      const loss = meanLossOf(results);
      const control = hasOwnSizes(start.name)
        ? starts.get(randomLike(start.name))
        : controlOf(findings, start.name);
      return {
        loss,
        cells: [
          start.name,
          formatCount(start.parameters),
          start.lr === start.rates.at(0) || start.lr === start.rates.at(-1)
            ? `**${start.lr}** of ${start.rates.join(', ')}`
            : `${start.lr} of ${start.rates.join(', ')}`,
          String(results.length),
          formatLoss(loss),
          bitsPerByte(loss, input),
          formatCourse(results[0]!),
          control ? formatDifference(compare(results, shortestOf(control))) : '–',
          further && start.name !== trainedOn ? formatDifference(compare(results, shortestOf(further))) : '–',
        ],
      };
    })
    .sort((a, b) => a.loss - b.loss);
  return tableOf(
    [
      'start',
      'parameters',
      'learning rate',
      'seeds',
      'loss',
      'bits per byte',
      'on the way, on 64 windows',
      'minus random weights of its size (95 %)',
      'minus the source trained on (95 %)',
    ],
    rows.map(({ cells }) => cells),
  );
}

/** Losses of others at the FLOPs of a start, without and with what the source cost. */
interface AtFlops {
  readonly name: string;
  readonly loss: number;
  readonly flops: number;
  readonly random: number | undefined;
  readonly randomWithSource: number | undefined;
  readonly further: number | undefined;
}

export function atEqualFlops({ starts, source, input }: Findings): readonly AtFlops[] {
  const seed = input.scale.seeds[0]!;
  const random = starts.get(randomTarget);
  const further = starts.get(trainedOn);
  const randomEnds = random ? endsOf(random, seed, 'flops') : [];
  const furtherEnds = further ? endsOf(further, seed, 'flops') : [];
  return [...starts.values()]
    .filter(({ name }) => !isControl(name))
    .map((start) => {
      const { loss, flops } = shortestOf(start).find((result) => result.seed === seed)!;
      const isWhole = start.name === threeStages;
      const own = isWhole ? flops - source.flops : flops;
      return {
        name: start.name,
        loss,
        flops: own,
        random: lossAt(randomEnds, own),
        randomWithSource: lossAt(randomEnds, own + source.flops),
        further: lossAt(furtherEnds, own),
      };
    })
    .sort((a, b) => a.loss - b.loss);
}

export function equalFlops(findings: Findings): string {
  const cell = (loss: number | undefined): string => (loss === undefined ? 'not measured' : formatLoss(loss));
  return tableOf(
    [
      'start',
      'FLOPs after growing',
      'loss',
      'random weights at these FLOPs',
      'random weights at these and the source’s FLOPs',
      'the source trained on at these FLOPs',
    ],
    atEqualFlops(findings).map((row) => [
      row.name,
      formatFlops(row.flops),
      formatLoss(row.loss),
      cell(row.random),
      cell(row.randomWithSource),
      cell(row.further),
    ]),
  );
}

/** `3.1 M`, `less than 1.0 M`, `more than 8.2 M`. */
const formatReach = ({ kind, x }: Reach): string => bound(kind) + formatCount(x);
const bound = (kind: Reach['kind']): string => ({ at: '', below: 'at most ', above: 'more than ' })[kind];

/** How many times fewer: exact, or a bound. */
function formatRatio(more: number, fewer: Reach): string {
  const ratio = (more / fewer.x).toFixed(1);
  // A bound below one says nothing.
  if (fewer.kind === 'below' && more <= fewer.x) return '–';
  return { at: ratio, below: `at least ${ratio}`, above: `less than ${ratio}` }[fewer.kind];
}

/** For each seed, the tokens of random weights to the loss of the cloned model. */
export function mainPair({ starts, source }: Findings): string {
  const clones = starts.get('hypercloning');
  const random = starts.get(randomTarget);
  if (!clones || !random) return 'The main pair has not been trained yet.';
  const perTokenOf = ({ flops, tokens }: Result): number => flops / tokens;
  const rows = shortestOf(clones).flatMap((clone) => {
    const ends = endsOf(random, clone.seed, 'tokens');
    if (ends.length === 0) return [];
    const needed = reach(ends, clone.loss);
    const perToken = perTokenOf(clone);
    const withSource = clone.flops + source.flops;
    return [
      [
        String(clone.seed),
        formatLoss(clone.loss),
        formatCount(clone.tokens),
        ends.map(({ x, loss }) => `${formatLoss(loss)} at ${formatCount(x)}`).join(', '),
        formatReach(needed),
        bound(needed.kind) + (needed.x / clone.tokens).toFixed(1),
        bound(needed.kind) + ((needed.x * perToken) / withSource).toFixed(2),
      ],
    ];
  });
  return tableOf(
    [
      'seed',
      'hypercloning ends at',
      'after tokens',
      'random weights end at',
      'random weights need, in tokens',
      'times the tokens',
      'times the FLOPs of source and grown model',
    ],
    rows,
  );
}

/** The papers' line: tokens that the grown model needs to the loss of random weights after their longest run. */
export function headline({ starts, source }: Findings): string {
  const clones = starts.get('hypercloning');
  const random = starts.get(randomTarget);
  if (!clones || !random) return '';
  const rows = [...random.byLength].flatMap(([tokens, results]) =>
    results.flatMap((result) => {
      const ends = endsOf(clones, result.seed, 'tokens');
      if (ends.length === 0) return [];
      const needed = reach(ends, result.loss);
      const clone = shortestOf(clones).find(({ seed }) => seed === result.seed)!;
      const flops = needed.x * (clone.flops / clone.tokens) + source.flops;
      return [
        [
          formatCount(tokens),
          String(result.seed),
          formatLoss(result.loss),
          formatReach(needed),
          formatRatio(tokens, needed),
          formatRatio(result.flops, { kind: needed.kind, x: flops }),
        ],
      ];
    }),
  );
  return tableOf(
    [
      'random weights after tokens',
      'seed',
      'reach',
      'hypercloning reaches it after tokens',
      'times fewer tokens',
      'times fewer FLOPs, with the source’s',
    ],
    rows,
  );
}

/** Where growing did not pay, as sentences made from the tables. */
export function whereNot(findings: Findings): readonly string[] {
  const { starts, source, input } = findings;
  const seed = input.scale.seeds[0]!;
  const lines: string[] = [];
  const random = starts.get(randomTarget);
  const randomEnds = random ? endsOf(random, seed, 'flops') : [];
  for (const row of atEqualFlops(findings)) {
    const isWorse = (other: number | undefined): other is number => other !== undefined && other < row.loss;
    if (isWorse(row.random))
      lines.push(
        `\`${row.name}\` ends at ${formatLoss(row.loss)}; random weights with as many FLOPs end at ` +
          `${formatLoss(row.random)}.`,
      );
    const total = row.flops + source.flops;
    const needed = reach(randomEnds, row.loss);
    if (needed.kind !== 'above' && needed.x < total)
      lines.push(
        `\`${row.name}\` and its source used ${formatFlops(total)}. Random weights reach its loss with ` +
          `${bound(needed.kind)}${formatFlops(needed.x)}: **growing does not pay if the source has to be ` +
          'trained first**.',
      );
    if (isWorse(row.further))
      lines.push(
        `\`${row.name}\` ends at ${formatLoss(row.loss)}; the source trained on with as many FLOPs ends at ` +
          `${formatLoss(row.further)}: keeping the small model was better at this length.`,
      );
  }
  const further = starts.get(trainedOn);
  for (const name of grownNames(input.scale)) {
    const start = starts.get(name);
    if (!start || !further) continue;
    const difference = compare(shortestOf(start), shortestOf(further))!;
    if (difference.low > 0)
      lines.push(`\`${name}\` is worse than the source trained on as many tokens, beyond the interval.`);
    else if (difference.high > 0)
      lines.push(`\`${name}\` cannot be distinguished from the source trained on as many tokens.`);
  }
  const longer = clonesWorseThanRandom(findings);
  lines.push(...longer);
  const stages = starts.get(threeStages);
  const clone = starts.get('hypercloning');
  const direct = clone && shortestOf(clone).find((result) => result.seed === seed);
  if (stages && direct) {
    const [staged] = shortestOf(stages);
    const better = staged!.loss < direct.loss ? 'better' : 'worse';
    lines.push(
      `Three stages (${formatFlops(staged!.flops)}) end at ${formatLoss(staged!.loss)}, direct growth with the ` +
        `source’s FLOPs (${formatFlops(direct.flops + source.flops)}) at ${formatLoss(direct.loss)}: ` +
        `${better} with one seed.`,
    );
  }
  return lines;
}

/** The lengths at which random weights end below the cloned model of the same seed. */
function clonesWorseThanRandom({ starts }: Findings): readonly string[] {
  const clones = starts.get('hypercloning');
  const random = starts.get(randomTarget);
  if (!clones || !random) return [];
  return [...clones.byLength.values()].flat().flatMap((clone) => {
    const same = random.byLength.get(clone.tokens)?.find(({ seed }) => seed === clone.seed);
    if (!same || same.loss >= clone.loss) return [];
    return [
      `After ${formatTokens(clone.tokens)} (seed ${clone.seed}), \`hypercloning\` ends at ` +
        `${formatLoss(clone.loss)} and random weights at ${formatLoss(same.loss)}: **the head start is gone**.`,
    ];
  });
}
