/** @file cambium estimate: what a training run would cost, on this computer and on rented devices. */
import { resolve } from 'node:path';
import {
  formatBytes,
  formatCount,
  formatEnergy,
  formatFlops,
  formatMass,
  formatMoney,
  formatRange,
  formatRoughDuration,
} from '../../../base/format.ts';
import { readOption } from '../../../base/option.ts';
import type { CostFacts, Estimate } from '../../../contract/cost.ts';
import {
  assumptionOptions,
  type Assumptions,
  type DeviceEstimate,
  type GrowthRequest,
  type Offer,
  type StageEstimate,
} from '../../../service/catalog.ts';
import { flagOf, readSizes, readWhole, refuseUsage } from '../arguments.ts';
import { getText, jsonFlag, type AddCommand, type Options } from '../command.ts';
import { addSettingFlags, readTraining, settingIds } from '../setting-flags.ts';
import { readStages, stagesFlag } from '../stages.ts';
import { table } from '../output.ts';

/** A prompt does not change the cost. */
const estimatedSettings = settingIds.filter((id) => id !== 'prompt');

const help = `
Uses the measured speed of the device (cambium devices --measure) and the times of earlier runs.

Examples:
  cambium estimate ./model --tokens 100M --micro-batch 16
  cambium estimate ./model --tokens 100M --stages stages.json
  cambium estimate ./model --sizes hidden=2048,ffn=8192 --tokens 1B --precision bfloat16 --json`;

export const estimate: AddCommand = (program, run) => {
  const command = program
    .command('estimate')
    .argument('<dir>', 'folder of the checkpoint to train')
    .description('estimate compute, memory, time, energy, cost and disk of a training run, without a GPU')
    .option('--sizes <sizes>', 'estimate it as if it were grown first: hidden=1024,ffn=4096')
    .option('--method <id>', 'growth method for --sizes', 'hypercloning')
    .option(
      '--source-tokens <n>',
      'tokens that the source of a growth was trained on, to compare with random weights',
    )
    .option(...stagesFlag)
    .option(...jsonFlag);
  addSettingFlags(command, estimatedSettings).optionsGroup('Assumptions:');
  for (const { id, help: description, default: value } of assumptionOptions)
    command.option(`${flagOf(id)} <n>`, `${description} (default: ${String(value)})`);
  command.addHelpText('after', help).action(
    run(async ({ api, out, options }, path) => {
      const dir = resolve(path!);
      const training = readTraining(options, estimatedSettings);
      const grow = readGrowth(options);
      const changed = readAssumptions(options);
      const facts = await api.costs({ dir });
      const tokens = getText(options['sourceTokens']);
      const stages = await readStages(api, dir, options);
      if (stages && grow) refuseUsage('give either --stages or --sizes');
      const request = {
        dir,
        training,
        assumptions: changed,
        ...(grow ? { grow } : {}),
        ...(stages ? { stages } : {}),
        ...(tokens === undefined ? {} : { sourceTokens: readWhole('--source-tokens', tokens, 1) }),
      };
      const estimated = await api.estimate(request);
      const assumptions = { ...facts.assumptions, ...changed };
      out.result({ ...estimated, assumptions }, describeEstimate(estimated, facts, assumptions));
      return undefined;
    }),
  );
};

function readGrowth(options: Options): GrowthRequest | undefined {
  const sizes = getText(options['sizes']);
  if (sizes === undefined) return undefined;
  const to = readSizes('--sizes', sizes, { whole: true });
  return { method: String(options['method']), to, options: {}, seed: 0, dtype: 'keep' };
}

function readAssumptions(options: Options): Partial<Assumptions> {
  const assumptions: Record<string, number> = {};
  for (const option of assumptionOptions) {
    const text = getText(options[option.id]);
    if (text === undefined) continue;
    const read = readOption(option, text);
    if ('problem' in read) return refuseUsage(`${flagOf(option.id)}: ${read.problem}, not "${text}"`);
    assumptions[option.id] = Number(read.value);
  }
  return assumptions;
}

function describeEstimate(e: Estimate, { free }: CostFacts, assumptions: Assumptions): string {
  const { flops, disk } = e;
  const compute =
    `${formatFlops(flops.total)}; ${formatFlops(flops.perToken)} per token ` +
    `(${formatFlops(flops.rule)} by 6N + 12LHQS), full attention`;
  const files = `${disk.kept} checkpoints of ${formatBytes(disk.perSave)} and an export`;
  const lines = [
    `${formatCount(e.parameters)} parameters, ${formatCount(e.tokens)} tokens in ${e.steps} steps`,
    `Compute      ${compute}`,
    `Disk         ${formatBytes(disk.total)}: ${files}; ${formatBytes(free)} free`,
    ...e.here.flatMap(describeDevice),
    ...(e.stages ?? []).map(describeStage),
  ];
  if (e.offers.length > 0) lines.push('', tabulateOffers(e.offers));
  if (e.scratch) lines.push('', describeScratch(e.scratch));
  if (e.scratchRefusal !== undefined) lines.push('', `From random weights  no estimate: ${e.scratchRefusal}`);
  lines.push('', `Assumptions: ${describeAssumptions(assumptions)}`);
  return lines.join('\n');
}

function describeDevice(device: DeviceEstimate): readonly string[] {
  const { target, memory, verdict, alternatives = [], seconds, tokensPerSecond, energy, carbon } = device;
  const parts = memory.parts
    .filter((part) => part.bytes > 0)
    .map((part) => `${part.what.toLowerCase()} ${formatBytes(part.bytes)}`);
  const capacity = target.memory === null ? '' : ` in ${formatBytes(target.memory)}`;
  const record = device.record === undefined ? '' : `; ${device.record}`;
  const lines = [
    `On ${target.name}`,
    `  Memory     ${formatRange(memory.total, formatBytes)}: ${verdict}${capacity}`,
    `             ${parts.join(', ')}`,
    ...alternatives.map(({ what, bytes }) => `             try ${what}: ${formatBytes(bytes)}`),
  ];
  if (seconds && tokensPerSecond) {
    const speed = `${formatRange(tokensPerSecond, formatCount)} tokens per second`;
    lines.push(`  Time       ${formatRange(seconds, formatRoughDuration)}, ${speed}`);
  }
  lines.push(`             ${device.basis}${record}`);
  if (energy && carbon) {
    const emissions = `CO\u2082 ${formatRange(carbon, formatMass)}`;
    lines.push(`  Energy     ${formatRange(energy, formatEnergy)}, ${emissions}`);
  }
  return lines;
}

function describeStage({ parameters, tokens, flops, seconds }: StageEstimate, index: number): string {
  const time = seconds ? `, ${formatRange(seconds, formatRoughDuration)}` : '';
  const size = `${formatCount(parameters)} parameters, ${formatCount(tokens)} tokens`;
  return `Stage ${index + 1}      ${size}, ${formatFlops(flops)}${time}`;
}

const tabulateOffers = (offers: readonly Offer[]): string =>
  table([
    ['', 'device', 'price', 'time', 'cost', 'memory', 'as of'],
    ...offers.map((offer) => [
      offer.own ? 'yours' : '',
      offer.name,
      offer.words,
      formatRoughDuration(offer.seconds.likely),
      formatRange(offer.money, formatMoney),
      offer.verdict,
      offer.price ? `${offer.price.date} ${offer.price.source}` : '',
    ]),
  ]);

function describeScratch({ tokens, money, assumption }: NonNullable<Estimate['scratch']>): string {
  const cost = money ? `, ${formatRange(money, formatMoney)}` : '';
  const needed = `${formatRange(tokens, formatCount)} tokens to the loss of the source${cost}`;
  return `From random weights  ${needed} (${assumption})`;
}

const describeAssumptions = (assumptions: Assumptions): string =>
  assumptionOptions
    .map(({ id, label, unit }) => {
      const value = assumptions[id as keyof Assumptions];
      return `${label} ${value}${unit === undefined ? '' : ` ${unit}`}`;
    })
    .join('; ');
