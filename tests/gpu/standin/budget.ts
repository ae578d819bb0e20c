/**
 * @file The budget of a training step: what it asks of the device at three sizes, kept in budget.json so that a
 * change that makes a step heavier or lighter shows in its diff.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SizeMeasurement } from './sizes.ts';
import { sumOf, type Ledger } from './standin.ts';

/** What one step of one size asks for. Bytes and FLOPs are exact. */
export interface Budget {
  readonly kernels: number;
  readonly products: number;
  readonly productFlops: number;
  /** Threads of all kernels: about the elements that they write. */
  readonly threads: number;
  readonly bytesToDevice: number;
  readonly bytesToHost: number;
  readonly bytesCopiedOnDevice: number;
  readonly memsetBytes: number;
  readonly waits: number;
  /** The most bytes that are allocated on the device. */
  readonly peakBytes: SizeMeasurement['peakBytes'];
  /** Calls of the kernels, most frequent first. */
  readonly calls: Readonly<Record<string, number>>;
}

/**
 * The name of a kernel without namespaces, types and sizes: `_UnaryElementWise OP_Cast` for
 * `void onnxruntime::cuda::_UnaryElementWise<…, onnxruntime::cuda::OP_Cast<…>, 256, 4>(…)`.
 */
export function shortenKernel(name: string): string {
  const [head] = name.replace(/^kernel (void )?/, '').split(/[<(]/, 1);
  const operation = /\bOP_\w+/.exec(name)?.[0];
  return [head!.split('::').at(-1)!, operation].filter(Boolean).join(' ');
}

function countCalls(ledger: Ledger): Readonly<Record<string, number>> {
  const calls = new Map<string, number>();
  for (const [name, { count }] of ledger) {
    if (!name.startsWith('kernel ')) continue;
    const short = shortenKernel(name);
    calls.set(short, (calls.get(short) ?? 0) + count);
  }
  const byCount = [...calls].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return Object.fromEntries(byCount);
}

export const budgetOf = ({ step, peakBytes }: SizeMeasurement): Budget => ({
  kernels: step.kernels,
  products: step.products,
  productFlops: step.productFlops,
  threads: sumOf(step.ledger, 'kernel ').amount,
  bytesToDevice: step.bytesToDevice,
  bytesToHost: step.bytesToHost,
  bytesCopiedOnDevice: step.bytesOnDevice,
  memsetBytes: step.memsetBytes,
  waits: step.waits,
  peakBytes,
  calls: countCalls(step.ledger),
});

const file = join(import.meta.dirname, 'budget.json');
const kernelFile = join(import.meta.dirname, 'budget-kernels.json');

export const isUpdating = process.env['CUDA_STANDIN_UPDATE_BUDGET'] === '1';

export const readBudgets = (): Readonly<Record<string, Budget>> =>
  JSON.parse(readFileSync(file, 'utf8')) as Record<string, Budget>;

/** The budgets of steps with kernels of our own. */
export const kernelBudgets = {
  read: (): Readonly<Record<string, Budget>> =>
    existsSync(kernelFile) ? (JSON.parse(readFileSync(kernelFile, 'utf8')) as Record<string, Budget>) : {},
  write(size: string, budget: Budget): void {
    writeFileSync(kernelFile, `${JSON.stringify({ ...this.read(), [size]: budget }, null, 2)}\n`);
  },
};

export const writeBudgets = (budgets: Readonly<Record<string, Budget>>): void => {
  writeFileSync(file, `${JSON.stringify(budgets, null, 2)}\n`);
};
