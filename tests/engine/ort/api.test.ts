import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  api,
  getPointer,
  toAppError,
  functions,
  RefCount,
  nativeMemory,
  getEnvironment,
} from '../../../src-main/engine/ort/api.ts';

/** The members of `struct OrtApi`, one a line in order. A script took them from the header of API version 29. */
const header = readFileSync(new URL('../../fixtures/ort-api-29.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');

test.each(Object.entries(functions))('%s has the slot that the header gives it', (name, [slot]) => {
  expect(header[slot]).toBe(name);
});

describe('an OrtStatus that is not OK', () => {
  test('is thrown as an error with the call and the message', () => {
    expect(() =>
      getPointer((out) => {
        api().CreateSession(
          getEnvironment(),
          'no/such.onnx',
          getPointer((o) => {
            api().CreateSessionOptions(o);
          }),
          out,
        );
      }),
    ).toThrow(
      expect.objectContaining({
        code: 'engine/runtime',
        detail: { call: 'CreateSession', message: expect.stringContaining('no/such.onnx') as string },
      }),
    );
  });
  test('rejects the promise of an asynchronous call', async () => {
    const options = getPointer((o) => {
      api().CreateSessionOptions(o);
    });
    await expect(
      api().callAsync('CreateSession', getEnvironment(), 'no/such.onnx', options, new BigUint64Array(1)),
    ).rejects.toMatchObject({ code: 'engine/runtime' });
    api().ReleaseSessionOptions(options);
  });
  // Messages of ONNX Runtime are kept on one line.
  // prettier-ignore
  test.each([
    '/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 4096',
    'CUDA failure 2: out of memory ; GPU=0',
    'std::bad_alloc',
    'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY',
    'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.',
  ])('becomes engine/out-of-memory if memory ran out: %s', (message) => {
    expect(toAppError('RunWithBinding', message).code).toBe('engine/out-of-memory');
  });
});

test('any other message becomes engine/runtime', () => {
  expect(toAppError('RunWithBinding', 'Got invalid dimensions for input: x').toData()).toEqual({
    code: 'engine/runtime',
    detail: { call: 'RunWithBinding', message: 'Got invalid dimensions for input: x' },
  });
});

test('copies the given number of bytes', () => {
  const to = new Uint8Array(4);
  nativeMemory.copy(to, Uint8Array.of(1, 2, 3, 4), 3);
  expect([...to]).toEqual([1, 2, 3, 0]);
});

test('a reference count frees once, when it reaches zero', () => {
  let freed = 0;
  const refCount = new RefCount(() => {
    freed++;
  });
  refCount.retain();
  refCount.release();
  expect(freed).toBe(0);
  refCount.release();
  expect(freed).toBe(1);
});
