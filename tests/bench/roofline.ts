/**
 * @file The roofline of a training step (see cost/roofline.ts): `npm run bench:roofline -- [--device h200]
 * [--size 124M] [--top 20] [--kernels]`, the last with kernels of our own. Lists the kernels of a step by time and
 * what bounds them. It measures nothing: the kernels are those of the graph, and the stand-in's budgets say how many
 * it counted.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { factsOf, type DeviceBook, type DeviceFacts } from '../../src-main/cost/book.ts';
import { modelFlopsPerToken } from '../../src-main/cost/flops.ts';
import { programsOf } from '../../src-main/cost/programs.ts';
import {
  boundsOf,
  kernelsOf,
  rooflineSeconds,
  secondsOfKernel,
  totalsOf,
  usualEfficiency,
  type KernelGroup,
  type RooflineDevice,
} from '../../src-main/cost/roofline.ts';
import { tokensPerStep } from '../../src-main/train/schedule.ts';
import { allKernels, noKernels, type KernelChoice } from '../../src-main/graph/kernels.ts';
import { kernelBudgets, readBudgets } from '../gpu/standin/budget.ts';
import { sizeCasesFor, type SizeCase } from './gpu-sizes.ts';

const bookFile = join(import.meta.dirname, '../../resources/devices.json');

/** The facts of the device with this id, or whose name has these words. Throws if the book has none. */
function deviceNamed(name: string): DeviceFacts {
  const book = JSON.parse(readFileSync(bookFile, 'utf8')) as DeviceBook;
  const gpus = book.devices.filter((device) => device.kind === 'gpu' && device.noCuda === undefined);
  const found = gpus.find((device) => device.id === name) ?? factsOf({ ...book, devices: gpus }, name);
  if (!found) throw new RangeError(`--device is one of ${gpus.map((device) => device.id).join(', ')}`);
  return found;
}

interface NamedTime {
  readonly name: string;
  readonly bound: string;
  readonly count: number;
  readonly seconds: number;
}

/** What the time of a kernel is spent on. */
function boundOf(kernel: KernelGroup, device: RooflineDevice): string {
  const bounds = Object.entries(boundsOf(kernel, device));
  return bounds.reduce((most, bound) => (bound[1] > most[1] ? bound : most))[0];
}

/** Groups of kernels by name and bound, longest first. */
function timesOf(kernels: readonly KernelGroup[], device: RooflineDevice): readonly NamedTime[] {
  const times = new Map<string, NamedTime>();
  for (const kernel of kernels) {
    const bound = boundOf(kernel, device);
    const key = `${kernel.name} ${bound}`;
    const { count, seconds } = times.get(key) ?? { count: 0, seconds: 0 };
    times.set(key, {
      name: kernel.name,
      bound,
      count: count + kernel.count,
      seconds: seconds + kernel.count * secondsOfKernel(kernel, device),
    });
  }
  return [...times.values()].sort((a, b) => b.seconds - a.seconds);
}

const milliseconds = (seconds: number): string => `${(1000 * seconds).toFixed(2)} ms`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function printSize(
  { name, subject, settings }: SizeCase,
  device: RooflineDevice,
  top: number,
  ours: KernelChoice,
): void {
  const { update, parameters } = programsOf(subject, settings, 'cuda', ours);
  const kernels = update.flatMap(({ graph, times }) =>
    kernelsOf(graph, ours).map((kernel) => ({ ...kernel, count: kernel.count * times })),
  );
  const seconds = rooflineSeconds(kernels, device);
  const totals = totalsOf(kernels);
  const flops = tokensPerStep(settings) * modelFlopsPerToken(subject, settings.contextLength);
  console.log(
    `\n${name}: ${(parameters / 1e6).toFixed(0)} M parameters, ${settings.microBatch} × ` +
      `${settings.contextLength} tokens, activation checkpointing ${settings.activationCheckpointing}\n` +
      `  ${milliseconds(seconds)} a step, MFU ${percent(flops / seconds / device.peak)}; ` +
      `${totals.kernels} kernels and ${totals.products} products, ${(totals.bytes / 1e9).toFixed(0)} GB, ` +
      `${(totals.flops / 1e12).toFixed(2)} TFLOP`,
  );
  const counted = (ours.size > 0 ? kernelBudgets.read() : readBudgets())[name];
  if (counted) console.log(`  the stand-in counted ${counted.kernels} kernels, ${counted.products} products`);
  for (const group of timesOf(kernels, device).slice(0, top)) {
    const share = percent(group.seconds / seconds).padStart(7);
    const time = milliseconds(group.seconds).padStart(10);
    console.log(`  ${time} ${share}  ${String(group.count).padStart(5)} × ${group.name} (${group.bound})`);
  }
}

const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'h200' },
    size: { type: 'string' },
    top: { type: 'string', default: '20' },
    kernels: { type: 'boolean', default: false },
  },
});
const facts = deviceNamed(values.device);
const peak = facts.peaks.bfloat16;
if (peak === undefined || facts.bandwidth === null || facts.memory === null)
  throw new RangeError(
    `resources/devices.json lacks the bfloat16 peak, bandwidth or memory of ${facts.name}`,
  );
const device: RooflineDevice = { peak, bandwidth: facts.bandwidth, efficiency: usualEfficiency };
console.log(
  `${facts.name}: ${(peak / 1e12).toFixed(0)} TFLOP/s in bfloat16, ${(facts.bandwidth / 1e12).toFixed(1)} TB/s; ` +
    `products reach ${percent(usualEfficiency.products)}, streams ${percent(usualEfficiency.streams)}, ` +
    `attention of our own ${percent(usualEfficiency.attention)}, ` +
    `a kernel takes at least ${(1e6 * usualEfficiency.kernelSeconds).toFixed(1)} µs`,
);
const cases = sizeCasesFor(facts.memory).filter(({ name }) => !values.size || name === values.size);
if (cases.length === 0) throw new RangeError('--size is one of 124M, 350M, 1.1B');
for (const size of cases)
  printSize(size, device, Number(values.top), values.kernels ? allKernels : noKernels);
