/** @file Writes docs/results.md and its charts from the results of the study. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatCount, formatFlops } from '../../src-main/base/format.ts';
import { drawChart, type Line } from './chart.ts';
import { endsOf } from './findings.ts';
import { collect, grownNames, type Findings, type ReportInput } from './report-data.ts';
import {
  equalFlops,
  equalTokens,
  formatTokens,
  headline,
  isControl,
  mainPair,
  whereNot,
} from './report-tables.ts';
import { introduction, packagesOf } from './report-text.ts';
import { randomTarget, threeStages, trainedOn } from './study.ts';

const colors: Readonly<Record<string, string>> = {
  hypercloning: '#15803d',
  expand: '#1d4ed8',
  identity: '#b45309',
  upcycle: '#6d28d9',
  'shrink-perturb': '#be185d',
};

function linesOf({ starts, input, source }: Findings, x: 'tokens' | 'flops'): readonly Line[] {
  const seed = input.scale.seeds[0]!;
  return [...starts.values()].map((start) => {
    const isGrown = grownNames(input.scale).includes(start.name);
    const extra = x === 'flops' && (isGrown || start.name === trainedOn) ? source.flops : 0;
    return {
      name: start.name,
      color: colors[start.name] ?? (start.name === threeStages ? '#0f766e' : '#6b7280'),
      isDashed: isControl(start.name),
      points: endsOf(start, seed, x).map((point) => ({ ...point, x: point.x + extra })),
    };
  });
}

/** Held-out losses on the way, of all seeds of the main pair. */
function curvesOf({ starts }: Findings): readonly Line[] {
  return ['hypercloning', randomTarget].flatMap((name) => {
    const start = starts.get(name);
    if (!start) return [];
    return start.byLength.get(start.lengths.at(-1)!)!.map((result) => ({
      name: `${name}, seed ${result.seed}`,
      color: colors[name] ?? '#6b7280',
      isDashed: isControl(name),
      points: result.curve
        .filter(({ tokens }) => tokens > 0)
        .map(({ tokens, loss }) => ({ x: tokens, loss })),
    }));
  });
}

export function writeReport(input: ReportInput): void {
  const findings = collect(input);
  const { scale, docs, corpus } = input;
  const images = join(docs, 'images');
  mkdirSync(images, { recursive: true });
  const charts = {
    'results-curves.svg': {
      title: 'Hypercloning and random weights while they train',
      xLabel: 'tokens',
      lines: curvesOf(findings),
    },
    'results-tokens.svg': {
      title: 'Loss at the end of runs of different length',
      xLabel: 'tokens after growing',
      lines: linesOf(findings, 'tokens'),
    },
    'results-flops.svg': {
      title: 'The same, with what the source cost',
      xLabel: 'training FLOPs in all',
      lines: linesOf(findings, 'flops'),
    },
  };
  for (const [file, chart] of Object.entries(charts))
    writeFileSync(
      join(images, file),
      drawChart({ ...chart, formatX: chart.xLabel.includes('FLOPs') ? formatFlops : formatCount }),
    );
  const not = whereNot(findings);
  const sections = [
    introduction(findings),
    `## The main pair\n\n${mainPair(findings)}\n\n![held-out loss while training](images/results-curves.svg)\n`,
    '## The papers’ line\n\nHyperCloning reports 2.2 to 4 times fewer tokens to the final loss of a random start. ' +
      'Here, for each length of random weights:\n\n' +
      `${headline(findings)}\n`,
    `## Equal tokens\n\nAfter ${formatTokens(scale.tokens)}:\n\n${equalTokens(findings)}\n\n` +
      '![loss over tokens](images/results-tokens.svg)\n',
    `## Equal FLOPs\n\nFor the first seed. Losses of others are interpolated between the ends of their runs, in the ` +
      'logarithm of the FLOPs; “not measured” is beyond their shortest or longest run.\n\n' +
      `${equalFlops(findings)}\n\n![loss over FLOPs](images/results-flops.svg)\n`,
    '## Where growing did not pay\n',
    ...(not.length > 0 ? [not.map((line) => `- ${line}`).join('\n'), ''] : ['Nowhere in these tables.\n']),
    `## The text\n\n${packagesOf(corpus)}\n\nSHA-256 of the training text \`${corpus.train.sha256}\`, of the ` +
      `held-out text \`${corpus.heldOut.sha256}\`.\n`,
  ];
  writeFileSync(join(docs, 'results.md'), sections.join('\n'));
}
