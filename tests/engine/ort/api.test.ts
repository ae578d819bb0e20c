import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  api,
  created,
  failure,
  functions,
  Lease,
  memory,
  runtime,
} from '../../../src-main/engine/ort/api.ts';

/** Names of `struct OrtApi`, one a line in its order, written by a script from the header of ABI 29. */
const header = readFileSync(new URL('../../fixtures/ort-api-29.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');

test.each(Object.entries(functions))('%s lies where the header puts it', (name, [place]) => {
  expect(header[place]).toBe(name);
});

describe('a status', () => {
  test('becomes an error with the call and the text', () => {
    expect(() =>
      created((out) => {
        api().CreateSession(
          runtime(),
          'no/such.onnx',
          created((o) => {
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
  test('comes back from another thread too', async () => {
    const options = created((o) => {
      api().CreateSessionOptions(o);
    });
    await expect(
      api().later('CreateSession', runtime(), 'no/such.onnx', options, new BigUint64Array(1)),
    ).rejects.toMatchObject({ code: 'engine/runtime' });
    api().ReleaseSessionOptions(options);
  });
  test.each([
    '/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 4096',
    'CUDA failure 2: out of memory ; GPU=0',
    'std::bad_alloc',
    'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY',
    'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.',
  ])('of no memory has its own code: %s', (message) => {
    expect(failure('RunWithBinding', message).code).toBe('engine/out-of-memory');
  });
});

test('a status of another kind has not', () => {
  expect(failure('RunWithBinding', 'Got invalid dimensions for input: x').toData()).toEqual({
    code: 'engine/runtime',
    detail: { call: 'RunWithBinding', message: 'Got invalid dimensions for input: x' },
  });
});

test('memory is copied and filled', () => {
  const to = new Uint8Array(4);
  memory.copy(to, Uint8Array.of(1, 2, 3, 4), 3);
  expect([...to]).toEqual([1, 2, 3, 0]);
});

test('a lease frees once, when the last holder lets go', () => {
  let freed = 0;
  const lease = new Lease(() => {
    freed++;
  });
  lease.hold();
  lease.drop();
  expect(freed).toBe(0);
  lease.drop();
  expect(freed).toBe(1);
});
