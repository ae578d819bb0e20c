/**
 * @file cambium estimate: what a training would cost, here and on every device known, without starting
 * anything.
 */
import { resolve } from 'node:path';
import { showBytes, showCount, showDuration, showFlops } from '../../../base/units.ts';
import type { CostFacts, Estimate } from '../../../contract/cost.ts';
import {
  assumptionOptions,
  readOption,
  type Assumptions,
  type GrowthRequest,
  type OnDevice,
  type Range,
} from '../../../service/choices.ts';
import { flagOf, readChoice, readSizes, readTraining, trainingFlags } from '../arguments.ts';
import { refuse } from '../../../base/errors.ts';
import { text, type AddCommand } from '../command.ts';
import { devices } from '../following.ts';
import { dtypes } from '../growing.ts';
import { table } from '../output.ts';

export const estimate: AddCommand = (program, run) => {
  const command = program
    .command('estimate')
    .argument('<dir>', 'folder of the checkpoint that would be trained')
    .description(
      'say what a training would cost: arithmetic, memory, time, energy, money, disk; needs no GPU',
    )
    .option('--sizes <sizes>', 'as if it were grown first: hidden=1024,ffn=4096')
    .option('--method <id>', 'how it would be grown', 'hypercloning')
    .option('--device <device>', `where it would run: ${devices.join(', ')}`, 'auto');
  for (const { flags, help } of trainingFlags) command.option(flags, help);
  for (const option of assumptionOptions)
    command.option(`${flagOf(option.id)} <n>`, `assumed: ${option.help} (${String(option.otherwise)})`);
  command
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nWhat was measured here before (cambium devices --measure) and what earlier runs took is used.\n\nExamples:\n  cambium estimate ./model --tokens 100M --batch 16\n  cambium estimate ./model --sizes hidden=2048,ffn=8192 --tokens 1B --precision bfloat16 --json',
    )
    .action(
      run(async ({ api, out, options }, dir) => {
        const training = {
          ...readTraining(options),
          device: readChoice('--device', String(options['device']), devices),
        };
        const sizes = text(options['sizes']);
        const grow: GrowthRequest | undefined =
          sizes === undefined
            ? undefined
            : {
                method: String(options['method']),
                to: readSizes('--sizes', sizes, { whole: true }),
                options: {},
                seed: 0,
                dtype: dtypes[0],
              };
        const assumptions = readAssumptions(options);
        const facts = await api.costs({ dir: resolve(dir!) });
        const told = await api.estimate({
          dir: resolve(dir!),
          training,
          assumptions,
          ...(grow ? { grow } : {}),
        });
        out.result(
          { ...told, assumptions: { ...facts.assumptions, ...assumptions } },
          describe(told, facts, { ...facts.assumptions, ...assumptions }),
        );
        return undefined;
      }),
    );
};

function readAssumptions(options: Readonly<Record<string, unknown>>): Partial<Assumptions> {
  const given: Record<string, number> = {};
  for (const option of assumptionOptions) {
    const value = options[option.id];
    if (typeof value !== 'string') continue;
    const read = readOption(option, value);
    if ('why' in read) refuse('usage', { why: `${flagOf(option.id)} ${read.why}` });
    else given[option.id] = Number(read.value);
  }
  return given;
}

const between = (r: Range, show: (n: number) => string): string =>
  show(r.low) === show(r.high) ? show(r.likely) : `${show(r.likely)} (${show(r.low)} to ${show(r.high)})`;
const dollars = (n: number): string => `US$ ${n < 0.1 ? n.toPrecision(2) : n.toFixed(2)}`;
const energy = (kWh: number): string =>
  kWh < 1 ? `${(1000 * kWh).toPrecision(3)} Wh` : `${kWh.toPrecision(3)} kWh`;
const carbon = (grams: number): string =>
  grams < 1000 ? `${grams.toPrecision(3)} g` : `${(grams / 1000).toPrecision(3)} kg`;

function describeDevice(on: OnDevice): readonly string[] {
  const parts = on.memory.parts
    .filter((p) => p.bytes > 0)
    .map((p) => `${p.what.toLowerCase()} ${showBytes(p.bytes)}`)
    .join(', ');
  return [
    `On ${on.target.name}`,
    `  Memory     ${between(on.memory.total, showBytes)}: ${on.verdict}${on.target.memory === null ? '' : ` in ${showBytes(on.target.memory)}`}`,
    `             ${parts}`,
    ...(on.alternatives ?? []).map((a) => `             try ${a.what}: ${showBytes(a.bytes)}`),
    ...(on.seconds && on.tokensPerSecond
      ? [
          `  Time       ${between(on.seconds, showDuration)}, ${between(on.tokensPerSecond, showCount)} tokens a second`,
        ]
      : []),
    `             ${on.basis}${on.record === undefined ? '' : `; ${on.record}`}`,
    ...(on.energy && on.carbon
      ? [`  Energy     ${between(on.energy, energy)}, CO\u2082 ${between(on.carbon, carbon)}`]
      : []),
  ];
}

function describe(e: Estimate, { free }: CostFacts, a: Assumptions): string {
  const prices = e.offers.map((o) => [
    o.own ? 'here' : '',
    o.name,
    o.words,
    showDuration(o.seconds.likely),
    between(o.money, dollars),
    o.verdict,
    o.price ? `${o.price.date} ${o.price.source}` : '',
  ]);
  return [
    `${showCount(e.parameters)} parameters, ${showCount(e.tokens)} tokens in ${e.steps} steps`,
    `Arithmetic   ${showFlops(e.flops.total)}; ${showFlops(e.flops.perToken)} a token counted in the graph (attention in full), ${showFlops(e.flops.rule)} by 6N + 12LHQS`,
    `Disk         ${showBytes(e.disk.total)}: ${e.disk.kept} checkpoints of ${showBytes(e.disk.perSave)} and an export; ${showBytes(free)} free`,
    ...e.here.flatMap(describeDevice),
    ...(e.offers.length > 0
      ? ['', table([['', 'device', 'price', 'time', 'money', 'memory', 'read on'], ...prices])]
      : []),
    ...(e.scratch
      ? [
          '',
          `From random weights  ${between(e.scratch.tokens, showCount)} tokens to the loss of its source${e.scratch.money ? `, ${between(e.scratch.money, dollars)}` : ''} (${e.scratch.assumption})`,
        ]
      : []),
    '',
    `Assumed: ${assumptionOptions.map((o) => `${o.label.toLowerCase()} ${a[o.id as keyof Assumptions]}${o.unit === undefined ? '' : ` ${o.unit}`}`).join('; ')}`,
  ].join('\n');
}
