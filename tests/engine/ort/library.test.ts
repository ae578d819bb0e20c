import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { api, runtime } from '../../../src-main/engine/ort/api.ts';
import { library, libraryPath, load } from '../../../src-main/engine/ort/library.ts';

test('the library of onnxruntime-node is found and loaded', () => {
  expect(libraryPath({})).toContain(
    join('onnxruntime-node', 'bin', 'napi-v6', process.platform, process.arch),
  );
  expect(library().version).toMatch(/^1\.(2[4-9]|[3-9]\d)\./);
});

test("a library of one's own comes first, then the folder of the CUDA provider", () => {
  expect(libraryPath({ CAMBIUM_ORT_LIBRARY: '/a/lib.so', CAMBIUM_GPU_LIBRARIES: '/b' })).toBe('/a/lib.so');
  expect(libraryPath({ CAMBIUM_GPU_LIBRARIES: join('/', 'b') })).toMatch(/^[\\/]b[\\/](lib)?onnxruntime/);
});

test('collecting garbage does not unload it', async () => {
  runtime();
  setFlagsFromString('--expose-gc');
  for (let i = 0; i < 3; i++) {
    (runInNewContext('gc') as () => void)();
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  expect(() => {
    api().DisableTelemetryEvents(runtime());
  }).not.toThrow(); // koffi unloads a library whose handle is gone: this would end the process
});

test('a library that is not there is an error with its path', () => {
  expect(() => load(join('/', 'no', 'such', 'library.so'))).toThrow(
    expect.objectContaining({
      code: 'engine/library',
      detail: expect.objectContaining({ path: join('/', 'no', 'such', 'library.so') }) as object,
    }),
  );
});
