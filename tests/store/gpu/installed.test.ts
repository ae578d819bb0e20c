/**
 * @file The CUDA provider's installation: only its libraries, whole or not at all, checked against the
 * wheel's own hashes.
 */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  damagedFiles,
  gpuFolder,
  installedGpu,
  installGpu,
  removeGpu,
} from '../../../src-main/store/gpu/installed.ts';
import { extract, zipEntries } from '../../../src-main/store/gpu/zip.ts';
import { refusal } from '../../support/refusal.ts';
import { freshFolder } from '../../support/temporary.ts';
import { bytesOf, providerFiles, providerName, wheelOf, writeProvider } from './wheels.ts';

const library = join(freshFolder('runtime'), 'libonnxruntime.so.1');
writeFileSync(library, bytesOf(9, 4000));
const options = (home: string) => ({ home, runtime: { version: '1.30.0', library }, arch: 'x64' });
const cuda = (
  folder: string,
  file = 'nvidia_cuda_runtime-13.5.37-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
): string => {
  writeFileSync(
    join(folder, file),
    wheelOf('nvidia_cuda_runtime', '13.5.37', {
      'nvidia/cu13/lib/libcudart.so.13': bytesOf(5, 1200),
      'nvidia/cu13/lib/libnvblas.so.13': bytesOf(6, 10),
      'nvidia/cu13/include/cuda.h': Buffer.from('//'),
    }),
  );
  return join(folder, file);
};

it("takes the provider from its wheel, beside a copy of our own ONNX Runtime, and CUDA's libraries from theirs", async () => {
  const home = freshFolder('home');
  const folder = freshFolder('wheels');
  const told: string[] = [];
  const manifest = await installGpu([writeProvider(folder), cuda(folder)], {
    ...options(home),
    onProgress: (what, done, of) => {
      told.push(what);
      expect(done).toBeLessThanOrEqual(of);
    },
  });
  const there = gpuFolder(home);
  expect(readdirSync(there).sort()).toEqual([
    'libcudart.so.13',
    'libonnxruntime.so.1',
    'libonnxruntime_providers_cuda.so',
    'libonnxruntime_providers_shared.so',
    'manifest.json',
  ]);
  expect(readFileSync(join(there, 'libonnxruntime.so.1'))).toEqual(readFileSync(library));
  expect(readFileSync(join(there, 'libonnxruntime_providers_cuda.so'))).toEqual(
    providerFiles['onnxruntime/capi/libonnxruntime_providers_cuda.so'],
  );
  expect(readFileSync(join(there, 'libcudart.so.13'))).toEqual(bytesOf(5, 1200));
  expect(installedGpu(home)).toEqual(manifest);
  expect(manifest).toMatchObject({ runtime: '1.30.0' });
  expect(new Set(told)).toEqual(
    new Set(['libcudart.so.13', 'libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so']),
  );
  expect(await damagedFiles(home, manifest)).toEqual([]);
  truncateSync(join(there, 'libcudart.so.13'), 3);
  expect(await damagedFiles(home, manifest)).toEqual(['libcudart.so.13']);
  expect([await removeGpu(home), await removeGpu(home), installedGpu(home)]).toEqual([true, false, null]);
});

it.each<[string, (folder: string) => string[], string]>([
  [
    'of another version',
    (f) => [writeProvider(f, { version: '1.29.0' })],
    'it is version 1.29.0, and 1.30.0 is needed',
  ],
  [
    'for another processor',
    (f) => [writeProvider(f, { file: providerName('1.30.0', 'manylinux_2_28_aarch64') })],
    'it is for manylinux_2_28_aarch64',
  ],
  [
    'for another system',
    (f) => [writeProvider(f, { file: providerName('1.30.0', 'win_amd64') })],
    'it is for win_amd64',
  ],
  [
    'of something else',
    (f) => [writeProvider(f, { file: 'numpy-2.0.0-cp312-cp312-manylinux_2_28_x86_64.whl' })],
    'numpy is none of',
  ],
  [
    'no wheel by its name',
    (f) => [writeProvider(f, { file: 'provider.zip' })],
    'its name is not that of a wheel',
  ],
  ['without the provider', (f) => [cuda(f)], 'none is onnxruntime-gpu 1.30.0'],
  [
    'changed on its way',
    (f) => [writeProvider(f, { lie: 'onnxruntime/capi/libonnxruntime_providers_cuda.so' })],
    'libonnxruntime_providers_cuda.so is not what its list of hashes says',
  ],
])('refuses a wheel %s, and leaves what was installed', async (_, wheels, why) => {
  const home = freshFolder('home');
  const before = await installGpu([writeProvider(freshFolder('good'))], options(home));
  expect(
    await refusal('gpu/wheel', () => installGpu(wheels(freshFolder('wheels')), options(home))),
  ).toMatchObject({ detail: { why: expect.stringContaining(why) as string } });
  expect([installedGpu(home), readdirSync(home)]).toEqual([before, ['gpu']]);
});

it('refuses an archive that is cut off or damaged', async () => {
  const folder = freshFolder('wheels');
  const path = writeProvider(folder);
  const whole = readFileSync(path);
  writeFileSync(path, whole.subarray(0, whole.length - 30));
  await refusal('file/unreadable', () => zipEntries(path));
  const bent = Buffer.from(whole);
  const at = bent.indexOf('libonnxruntime_providers_cuda.so') + 200;
  bent.fill(0, at, at + 50);
  writeFileSync(path, bent);
  const home = freshFolder('home');
  await expect(installGpu([path], options(home))).rejects.toThrow();
  expect([installedGpu(home), existsSync(gpuFolder(home)), readdirSync(home)]).toEqual([null, false, []]);
});

it('tells a place that cannot be written from an archive that cannot be read', async () => {
  const path = writeProvider(freshFolder('wheels'));
  const entry = (await zipEntries(path)).find(({ name }) => name.endsWith('providers_cuda.so'))!;
  const folder = freshFolder('taken');
  expect((await refusal('file/unwritable', () => extract(path, entry, folder))).detail).toMatchObject({
    path: folder,
  });
  if (process.platform === 'linux')
    expect((await refusal('file/no-space', () => extract(path, entry, '/dev/full'))).message).toContain(
      'the disk of /dev/full is full',
    );
});

it('is cancelled between two files, and leaves nothing', async () => {
  const home = freshFolder('home');
  const stop = new AbortController();
  await refusal('cancelled', () =>
    installGpu([writeProvider(freshFolder('wheels'))], {
      ...options(home),
      signal: stop.signal,
      onProgress: () => {
        stop.abort();
      },
    }),
  );
  expect(readdirSync(home)).toEqual([]);
});
