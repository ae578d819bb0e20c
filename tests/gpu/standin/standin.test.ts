/** @file The stand-in itself: it finds work of two streams that nothing orders, and limits memory as CUDA does. */
import { join } from 'node:path';
import koffi from 'koffi';
import { beforeEach, describe, expect, it } from 'vitest';
import { missing, standin, sumOf } from './standin.ts';

type Native = (...args: unknown[]) => unknown;
const outOfMemory = 2;
const nonBlocking = 1;
const hostToDevice = 1;

function bindRuntime(folder: string): Record<string, Native> {
  const library = koffi.load(join(folder, 'libcudart.so.13'));
  const bind = (name: string, ...types: string[]): Native => library.func(name, 'int', types) as Native;
  return {
    malloc: bind('cudaMalloc', 'void *', 'size_t'),
    free: bind('cudaFree', 'void *'),
    lastError: bind('cudaGetLastError'),
    createStream: bind('cudaStreamCreateWithFlags', 'void *', 'uint32_t'),
    destroyStream: bind('cudaStreamDestroy', 'void *'),
    synchronizeDevice: bind('cudaDeviceSynchronize'),
    synchronize: bind('cudaStreamSynchronize', 'void *'),
    createEvent: bind('cudaEventCreate', 'void *'),
    record: bind('cudaEventRecord', 'void *', 'void *'),
    waitFor: bind('cudaStreamWaitEvent', 'void *', 'void *', 'uint32_t'),
    copy: bind('cudaMemcpy', 'void *', 'void *', 'size_t', 'int'),
    copyAsync: bind('cudaMemcpyAsync', 'void *', 'void *', 'size_t', 'int', 'void *'),
    /** Counts as a kernel. */
    memset: bind('cudaMemsetAsync', 'void *', 'int', 'size_t', 'void *'),
  };
}

describe.skipIf(missing)(`the stand-in${missing ? `, skipped: ${missing}` : ''}`, () => {
  const cuda = missing ? undefined! : bindRuntime(process.env['CUDA_STANDIN']!);
  const create = (call: (out: BigUint64Array) => unknown): bigint => {
    const out = new BigUint64Array(1);
    expect(call(out)).toBe(0);
    return out[0]!;
  };
  const createStream = (flags = nonBlocking): bigint => create((out) => cuda['createStream']!(out, flags));
  const host = new Uint8Array(64);
  const races = (): readonly string[] =>
    [...standin.read().keys()].filter((name) => name.startsWith('order '));

  let memory: bigint;
  let copies: bigint;
  let kernels: bigint;
  beforeEach(() => {
    memory = create((out) => cuda['malloc']!(out, 64));
    copies = createStream();
    kernels = createStream();
    cuda['synchronizeDevice']!();
    standin.reset();
  });
  const upload = (stream: bigint): unknown => cuda['copyAsync']!(memory, host, 64, hostToDevice, stream);
  const compute = (stream: bigint): unknown => cuda['memset']!(memory, 0, 64, stream);

  it('counts copies and kernels of each stream', () => {
    upload(kernels);
    compute(kernels);
    const ledger = standin.read();
    expect(sumOf(ledger, 'copy to device')).toEqual({ count: 1, amount: 64 });
    expect(
      [...ledger.keys()].filter((name) => /^stream \d+ (kernels|copies to device)$/.test(name)),
    ).toHaveLength(2);
    expect(races()).toEqual([]);
  });

  it('reports a kernel that does not wait for a copy of another stream', () => {
    upload(copies);
    compute(kernels);
    expect(races()).toEqual(['order kernel not after a copy to the device']);
  });

  it('reports a kernel that does not wait for a copy of pageable memory on the default stream', () => {
    cuda['copy']!(memory, host, 64, hostToDevice);
    compute(kernels);
    expect(races()).toEqual(['order kernel not after a copy to the device']);
  });

  it('reports a copy to the host that does not wait for a kernel of another stream', () => {
    compute(kernels);
    cuda['copyAsync']!(host, memory, 64, hostToDevice, copies);
    expect(races()).toEqual(['order copy to host not after a kernel']);
  });

  it('accepts an event, a wait of the host, or a stream that the default stream orders', () => {
    const event = create((out) => cuda['createEvent']!(out));
    upload(copies);
    cuda['record']!(event, copies);
    cuda['waitFor']!(kernels, event, 0);
    compute(kernels);
    cuda['synchronize']!(kernels);
    upload(copies);
    cuda['synchronize']!(copies);
    compute(kernels);
    cuda['synchronize']!(kernels);
    cuda['copy']!(memory, host, 64, hostToDevice);
    compute(createStream(0));
    expect(races()).toEqual([]);
  });

  it('reports work that is added after the event was recorded', () => {
    const event = create((out) => cuda['createEvent']!(out));
    cuda['record']!(event, copies);
    upload(copies);
    cuda['waitFor']!(kernels, event, 0);
    compute(kernels);
    expect(races()).toEqual(['order kernel not after a copy to the device']);
  });

  it('returns out of memory once, and counts what is allocated and freed', async () => {
    const before = standin.currentBytes();
    const out = new BigUint64Array(1);
    await standin.withMemory(before + 1000, () => {
      expect(cuda['malloc']!(out, 2000)).toBe(outOfMemory);
      expect([cuda['lastError']!(), cuda['lastError']!()]).toEqual([outOfMemory, 0]);
      return Promise.resolve();
    });
    const big = create((address) => cuda['malloc']!(address, 2000));
    expect(standin.currentBytes() - before).toBe(2048);
    cuda['free']!(big);
    expect(standin.currentBytes()).toBe(before);
    expect(standin.peakBytes() - before).toBe(2048);
  });
});
