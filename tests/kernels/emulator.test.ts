/** @file The emulator itself: it finds each kind of mistake in a kernel that is right without it. */
import { describe, expect, it } from 'vitest';
import { kernelOf } from '../../src-main/engine/kernels/index.ts';
import type { Kernel } from '../../src-main/engine/kernels/kernel.ts';
import { emulate, missing, type Job } from './emulator.ts';

/** The kernel of an operator with one part of its text replaced. */
function broken(op: string, part: string, by: string): Kernel {
  const kernel = kernelOf(op);
  if (!kernel.source.includes(part)) throw new Error(`${op} has no ${part}`);
  return { ...kernel, source: kernel.source.replace(part, by) };
}

const jobsOf = (kernel: Kernel, trial: number, seeds: readonly number[]): readonly Job[] =>
  seeds.map((seed) => ({ trial: kernel.trials('bfloat16')[trial]!, seed }));

const sumWithoutBarrier = String.raw`
DEVICE float hasty_sum(float x, float *scratch) {
  for (int mask = 16; mask > 0; mask /= 2) x += shuffle_xor(x, mask);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  float total = 0;
  for (int i = 0; i < THREADS / 32; i++) total += scratch[i];
  return total;
}
KERNEL`;

describe.skipIf(missing)(`the emulator${missing ? `, skipped: ${missing}` : ''}`, () => {
  it('finds a missing barrier: shared memory is read before it is written', () => {
    const called = broken('FusedRmsNorm', 'block_sum(', 'hasty_sum(');
    const kernel = { ...called, source: called.source.replace('KERNEL', sumWithoutBarrier) };
    const [right] = emulate(kernelOf('FusedRmsNorm'), jobsOf(kernel, 2, [1]));
    expect(emulate(kernel, jobsOf(kernel, 2, [1]))[0]).not.toEqual(right);
  });

  it('finds copies that nobody waits for', () => {
    const kernel = broken('FlashAttention', 'copies_wait<0>();', '');
    const [right] = emulate(kernelOf('FlashAttention'), jobsOf(kernel, 4, [1]));
    expect(emulate(kernel, jobsOf(kernel, 4, [1]))[0]).not.toEqual(right);
  });

  it.each([
    ['the end', 1, 'i < WIDTH;', 'i < WIDTH + VECTOR;'],
    ['the start', 2, 'read(gain + i)', 'read(gain - 1 + i)'],
  ])('finds an access beyond %s of a tensor', (_, seed, part, by) => {
    const kernel = broken('FusedRmsNorm', part, by);
    expect(() => emulate(kernel, jobsOf(kernel, 0, [seed]))).toThrow(/accesses byte -?\d+ of parameter/);
  });

  it('finds an access beyond the end of shared memory', () => {
    const kernel = { ...kernelOf('RmsNormGradient') };
    const launch: Kernel['launch'] = (node) => ({ ...kernelOf(kernel.op).launch(node), sharedBytes: 16 });
    expect(() => emulate({ ...kernel, launch }, jobsOf(kernel, 0, [1]))).toThrow(/of shared memory/);
  });

  it('finds a write to an input', () => {
    const kernel = broken('FusedRmsNorm', 'write(y + row + i, a)', 'write((element *)x + row + i, a)');
    expect(() => emulate(kernel, jobsOf(kernel, 0, [1]))).toThrow(/of parameter 0/);
  });

  it('finds threads that do not take part in a shuffle', () => {
    const kernel = broken('AttentionDelta', 'shuffle_xor(sum, mask)', '(lane ? shuffle_xor(sum, mask) : 0)');
    expect(() => emulate(kernel, jobsOf(kernel, 0, [1]))).toThrow(/does not take part in a shuffle/);
  });
});
