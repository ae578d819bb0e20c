/** @file The flags of a growth, for `plan` and `grow`, and a plan and a certificate in words. */
import { resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { showCount } from '../../base/units.ts';
import type { Certificate } from '../../contract/schema.ts';
import type { Service } from '../../contract/service.ts';
import type { Command } from 'commander';
import { methods, sizesFrom, type GrowthPlan, type GrowthRequest, type TensorRecipe } from '../../service/choices.ts';
import { readChoice, readPairs, readSizes, readWhole } from './arguments.ts';
import { collect, text, texts } from './command.ts';
import { table } from './output.ts';

export const dtypes = ['keep', 'float32', 'bfloat16', 'float16'] as const;

export const growthFlags = (command: Command): Command => command
  .requiredOption('--method <id>', `growth method: ${[...methods.keys()].join(', ')}`)
  .option('--times <sizes>', 'sizes as multiples: hidden=2,ffn=2')
  .option('--to <sizes>', 'sizes as numbers: hidden=1024,ffn=4096')
  .option('--option <key=value>', 'an option of the method; may be repeated', collect)
  .option('--dtype <dtype>', `of the grown weights: ${dtypes.join(', ')}`, 'keep')
  .option('--seed <n>', 'of noise and of newly drawn values', '0');

/** What the methods take, for the help text. */
export const methodHelp = (): string => `\nMethods:\n${[...methods.values()].map((m) =>
  `  ${m.id.padEnd(14)}${m.summary}\n${m.options.map((o) => `${' '.repeat(16)}--option ${o.id}=${o.kind === 'choice' ? o.choices.map((c) => c.value).join('|') : `N${o.off ? `|${o.off}` : ''}`}  ${o.help}\n`).join('')}`).join('')}`;

/** The request that the flags make for the checkpoint in `dir`. */
export async function readGrowth(api: Service, dir: string, options: Readonly<Record<string, unknown>>): Promise<GrowthRequest> {
  const times = text(options['times']), to = text(options['to']);
  // Some methods work the sizes out from their options.
  if (times === undefined && to === undefined && !methods.get(text(options['method']) ?? '')?.complete) refuse('usage', { why: 'give the new sizes with --times or --to' });
  const { dims } = await api.openCheckpoint({ dir: resolve(dir) });
  const multiplied = times === undefined ? {} : sizesFrom(readSizes('--times', times), dims);
  const sizes = to === undefined ? {} : readSizes('--to', to, { whole: true });
  const both = Object.keys(sizes).find((name) => name in multiplied);
  if (both !== undefined) refuse('usage', { why: `${both} is given by both --times and --to` });
  return {
    method: text(options['method']) ?? '', to: { ...multiplied, ...sizes }, options: readPairs('--option', texts(options['option'])),
    seed: readWhole('--seed', text(options['seed']) ?? '0'), dtype: readChoice('--dtype', text(options['dtype']) ?? 'keep', dtypes),
  };
}

const shape = (sizes: readonly number[]): string => `[${sizes.join(', ')}]`;
const factorsOf = (t: TensorRecipe): string => t.factors.map((f) => `× ${Number(f.by.toPrecision(6))}${f.part ? ` (${f.part.axis} ${f.part.entry})` : ''} ${f.why}`).join('; ') || (t.silent ? 'all zeros' : '');

/** The table of weights (equal ones of several layers as one row), counts and promise. */
export function describePlan(plan: GrowthPlan): string {
  const groups = new Map<string, { row: [string, string, string, string]; count: number }>();
  for (const t of plan.tensors) {
    const row: [string, string, string, string] = [t.name.replace(/(^|\.)\d+\./, '$1*.'), shape(t.from), shape(t.to), factorsOf(t)];
    const key = JSON.stringify(row), group = groups.get(key);
    if (group) group.count++;
    else groups.set(key, { row, count: 1 });
  }
  const rows = [...groups.values()].map(({ row: [name, from, to, factors], count }) => [name, count, from, to, factors]);
  const sizes = Object.keys(plan.to).filter((name) => plan.from[name] !== plan.to[name]).map((name) => `${name} ${plan.from[name] ?? '-'} → ${plan.to[name]!}`);
  const { before, after } = plan.parameters;
  return [
    table([['weight', 'count', 'from', 'to', 'factors'], ...rows]), '',
    `Sizes        ${sizes.join(', ')}`,
    `Parameters   ${showCount(before)} → ${showCount(after)} (× ${(after / before).toFixed(2)})`,
    `Promise      ${plan.promise.kind}: ${plan.promise.why.join('; ')}`,
    ...plan.notes.map((note) => `Note         ${note}`),
  ].join('\n');
}

export const describeCertificate = (c: Certificate): string => [
  c.promise === 'approximate' ? 'Approximate growth; these are its distances' : c.passed ? 'Proven: the grown model computes the same function' : 'NOT proven: the grown model computes another function',
  `  largest |Δlogit|  ${c.maxLogit.toExponential(2)} (allowed ${c.tolerance.toExponential(2)}; logits have RMS ${c.rmsLogit.toFixed(2)})`,
  `  KL divergence     ${c.kl.toExponential(2)} nats per token`,
  `  loss              ${c.lossSource.toFixed(4)} → ${c.lossGrown.toFixed(4)} nats`,
  `  same next token   ${(c.agreement * 100).toFixed(2)} % of ${c.tokens} positions`,
  `  on                ${c.text}, ${c.device}`,
].join('\n');
