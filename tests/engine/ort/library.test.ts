import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { api, getEnvironment } from '../../../src-main/engine/ort/api.ts';
import { getLibrary, findLibrary, loadLibrary } from '../../../src-main/engine/ort/library.ts';

test('finds and loads the library of onnxruntime-node', () => {
  expect(findLibrary({})).toContain(
    join('onnxruntime-node', 'bin', 'napi-v6', process.platform, process.arch),
  );
  expect(getLibrary().version).toMatch(/^1\.(2[4-9]|[3-9]\d)\./);
});

test('prefers CAMBIUM_ORT_LIBRARY, then CAMBIUM_GPU_LIBRARIES', () => {
  expect(findLibrary({ CAMBIUM_ORT_LIBRARY: '/a/lib.so', CAMBIUM_GPU_LIBRARIES: '/b' })).toBe('/a/lib.so');
  expect(findLibrary({ CAMBIUM_GPU_LIBRARIES: join('/', 'b') })).toMatch(/^[\\/]b[\\/](lib)?onnxruntime/);
});

test('the library stays loaded after a garbage collection', async () => {
  getEnvironment();
  setFlagsFromString('--expose-gc');
  for (let i = 0; i < 3; i++) {
    (runInNewContext('gc') as () => void)();
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  expect(() => {
    api().DisableTelemetryEvents(getEnvironment());
  }).not.toThrow(); // koffi unloads a library whose handle was collected; this call would then crash
});

test('refuses a missing library and names its path', () => {
  expect(() => loadLibrary(join('/', 'no', 'such', 'library.so'))).toThrow(
    expect.objectContaining({
      code: 'engine/library',
      detail: expect.objectContaining({ path: join('/', 'no', 'such', 'library.so') }) as object,
    }),
  );
});
