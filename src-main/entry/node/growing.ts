/** @file The flags of a growth, for `plan` and `grow`, and a plan and a certificate in words. */
import { showCount } from '../../base/units.ts';
import type { Certificate } from '../../contract/schema.ts';
import type { Command } from 'commander';
import {
  extentOf,
  methods,
  methodsIn,
  notesOf,
  promiseOf,
  type Difference,
  type GrowthPlan,
  type SavedPlan,
  type TensorRecipe,
} from '../../service/choices.ts';
import { collect } from './command.ts';
import { table } from './output.ts';

export const dtypes = ['keep', 'float32', 'bfloat16', 'float16'] as const;

export const growthFlags = (command: Command): Command =>
  command
    .option('--method <id>', `growth method: ${[...methods.keys()].join(', ')}`)
    .option('--times <sizes>', 'sizes as multiples: hidden=2,ffn=2')
    .option('--to <sizes>', 'sizes as numbers: hidden=1024,ffn=4096')
    .option('--option <key=value>', 'an option of the method; may be repeated', collect)
    .option('--dtype <dtype>', `of the grown weights: ${dtypes.join(', ')}`, 'keep')
    .option('--seed <n>', 'of noise and of newly drawn values', '0')
    .option(
      '--then <method...>',
      'another stage, on what the one before makes: --then identity layers=x2; may be repeated',
    )
    .option(
      '--recipe <file>',
      'stages from a JSON file: [{ "method": …, "to" or "times": {…}, "options": {…} }, …]',
    );

/** What the methods take, for the help text. */
export const methodHelp = (): string =>
  `\nMethods:\n${[...methods.values()]
    .map(
      (m) =>
        `  ${m.id.padEnd(14)}${m.summary}\n${m.unsure === undefined ? '' : `${' '.repeat(16)}not known: ${m.unsure}\n`}${m.options.map((o) => `${' '.repeat(16)}--option ${o.id}=${o.kind === 'choice' ? o.choices.map((c) => c.value).join('|') : `N${o.off ? `|${o.off}` : ''}`}  ${o.help}\n`).join('')}`,
    )
    .join('')}`;

const shape = (sizes: readonly number[]): string => `[${sizes.join(', ')}]`;
const factorsOf = (t: TensorRecipe): string =>
  [
    ...(t.slice ? [`slice ${t.slice.at + 1} of ${t.slice.of} of ${t.slice.axis}`] : []),
    ...t.factors.map(
      (f) => `× ${Number(f.by.toPrecision(6))}${f.part ? ` (${f.part.axis} ${f.part.entry})` : ''} ${f.why}`,
    ),
  ].join('; ') || (t.silent ? 'all zeros' : '');

/** The table of weights (equal ones of several layers as one row). */
function weightsOf(plan: GrowthPlan): string {
  const groups = new Map<string, { row: [string, string, string, string]; count: number }>();
  for (const t of plan.tensors) {
    const row: [string, string, string, string] = [
      t.name.replace(/(^|\.)\d+(?=\.)/g, '$1*'),
      shape(t.from),
      shape(t.to),
      factorsOf(t),
    ];
    const key = JSON.stringify(row);
    const group = groups.get(key);
    if (group) group.count++;
    else groups.set(key, { row, count: 1 });
  }
  return table([
    ['weight', 'count', 'from', 'to', 'factors'],
    ...[...groups.values()].map(({ row: [name, from, to, factors], count }) => [
      name,
      count,
      from,
      to,
      factors,
    ]),
  ]);
}

const sizesIn = ({ from, to }: Pick<GrowthPlan, 'from' | 'to'>): string =>
  Object.keys(to)
    .filter((name) => from[name] !== to[name])
    .map((name) => `${name} ${from[name] ?? '-'} → ${to[name]!}`)
    .join(', ');

/** What each stage does to every weight, then sizes, counts and promise of the whole. */
export function describePlan({ source, stages }: SavedPlan): string {
  const whole = extentOf(stages);
  const { before, after, active } = whole.parameters;
  const promise = promiseOf(stages);
  const several = stages.length > 1;
  return [
    ...stages.flatMap((plan, i) => [
      ...(several
        ? [`Stage ${i + 1}: ${plan.request.method}, ${sizesIn(plan)}; ${plan.promise.kind}`, '']
        : []),
      weightsOf(plan),
      '',
    ]),
    ...(several
      ? [
          `Source       ${source.name}`,
          `Stages       ${methodsIn(stages)}: one pass over the weights, nothing written between them`,
        ]
      : []),
    `Sizes        ${sizesIn(whole)}`,
    `Parameters   ${showCount(before)} → ${showCount(after)} (× ${(after / before).toFixed(2)})`,
    ...(active
      ? [
          `Per token    ${showCount(active.before)} → ${showCount(active.after)} parameters (× ${(active.after / active.before).toFixed(2)}): the chosen experts, and all that is not an expert`,
        ]
      : []),
    `Promise      ${promise.kind}: ${promise.why.join('; ')}`,
    ...notesOf(stages).map((note) => `Note         ${note}`),
  ].join('\n');
}

/** Two plans side by side, or that nothing differs. */
export const describeDifferences = (
  differences: readonly Difference[],
  first: string,
  second: string,
): string =>
  differences.length === 0
    ? 'The two plans are the same: of one source they make the same bytes.'
    : table([
        ['where', 'what', first, second],
        ...differences.map((d) => [d.where, d.what, d.first ?? '-', d.second ?? '-']),
      ]);

export const describeCertificate = (c: Certificate): string =>
  [
    c.promise === 'approximate'
      ? 'Approximate growth; these are its distances'
      : c.passed
        ? 'Proven: the grown model computes the same function'
        : 'NOT proven: the grown model computes another function',
    `  largest |Δlogit|  ${c.maxLogit.toExponential(2)} (allowed ${c.tolerance.toExponential(2)}; logits have RMS ${c.rmsLogit.toFixed(2)})`,
    `  KL divergence     ${c.kl.toExponential(2)} nats per token`,
    `  loss              ${c.lossSource.toFixed(4)} → ${c.lossGrown.toFixed(4)} nats`,
    `  same next token   ${(c.agreement * 100).toFixed(2)} % of ${c.tokens} positions`,
    `  on                ${c.text}, ${c.device}`,
    ...(c.stages
      ? [`  stages            ${c.stages.map((s) => `${s.method}: ${s.promise}`).join(', ')}`]
      : []),
  ].join('\n');
