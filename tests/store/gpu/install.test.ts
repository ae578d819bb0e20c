import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  findDamagedFiles,
  getGpuDir,
  readGpuManifest,
  installGpu,
  removeGpu,
} from '../../../src-main/store/gpu/install.ts';
import { extractEntry, readZipEntries } from '../../../src-main/store/gpu/zip.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { createBytes, providerFiles, getProviderFileName, createWheel, writeProvider } from './wheels.ts';

const library = join(freshFolder('runtime'), 'libonnxruntime.so.1');
writeFileSync(library, createBytes(9, 4000));
const options = (home: string) => ({ home, runtime: { version: '1.30.0', library }, arch: 'x64' });
const writeCudaRuntime = (
  folder: string,
  file = 'nvidia_cuda_runtime-13.5.37-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
): string => {
  writeFileSync(
    join(folder, file),
    createWheel('nvidia_cuda_runtime', '13.5.37', {
      'nvidia/cu13/lib/libcudart.so.13': createBytes(5, 1200),
      'nvidia/cu13/lib/libnvblas.so.13': createBytes(6, 10),
      'nvidia/cu13/include/cuda.h': Buffer.from('//'),
    }),
  );
  return join(folder, file);
};

describe('installGpu', () => {
  it("installs the provider, a copy of ONNX Runtime, and CUDA's libraries", async () => {
    const home = freshFolder('home');
    const folder = freshFolder('wheels');
    const progress: string[] = [];
    const manifest = await installGpu([writeProvider(folder), writeCudaRuntime(folder)], {
      ...options(home),
      onProgress: (what, done, of) => {
        progress.push(what);
        expect(done).toBeLessThanOrEqual(of);
      },
    });
    const dir = getGpuDir(home);
    expect(readdirSync(dir).sort()).toEqual([
      'libcudart.so.13',
      'libonnxruntime.so.1',
      'libonnxruntime_providers_cuda.so',
      'libonnxruntime_providers_shared.so',
      'manifest.json',
    ]);
    expect(readFileSync(join(dir, 'libonnxruntime.so.1'))).toEqual(readFileSync(library));
    expect(readFileSync(join(dir, 'libonnxruntime_providers_cuda.so'))).toEqual(
      providerFiles['onnxruntime/capi/libonnxruntime_providers_cuda.so'],
    );
    expect(readFileSync(join(dir, 'libcudart.so.13'))).toEqual(createBytes(5, 1200));
    expect(readGpuManifest(home)).toEqual(manifest);
    expect(manifest).toMatchObject({ runtime: '1.30.0' });
    expect(new Set(progress)).toEqual(
      new Set(['libcudart.so.13', 'libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so']),
    );
    expect(await findDamagedFiles(home, manifest)).toEqual([]);
    truncateSync(join(dir, 'libcudart.so.13'), 3);
    expect(await findDamagedFiles(home, manifest)).toEqual(['libcudart.so.13']);
    expect([await removeGpu(home), await removeGpu(home), readGpuManifest(home)]).toEqual([
      true,
      false,
      null,
    ]);
  });

  it.each<[string, (folder: string) => string[], string]>([
    [
      'of another version',
      (f) => [writeProvider(f, { version: '1.29.0' })],
      'it is version 1.29.0, and 1.30.0 is needed',
    ],
    [
      'for another processor',
      (f) => [writeProvider(f, { file: getProviderFileName('1.30.0', 'manylinux_2_28_aarch64') })],
      'it is for manylinux_2_28_aarch64',
    ],
    [
      'for another system',
      (f) => [writeProvider(f, { file: getProviderFileName('1.30.0', 'win_amd64') })],
      'it is for win_amd64',
    ],
    [
      'of something else',
      (f) => [writeProvider(f, { file: 'numpy-2.0.0-cp312-cp312-manylinux_2_28_x86_64.whl' })],
      'numpy is not one of',
    ],
    [
      'with another file name',
      (f) => [writeProvider(f, { file: 'provider.zip' })],
      'its name is not that of a wheel',
    ],
    ['without the provider', (f) => [writeCudaRuntime(f)], 'none is onnxruntime-gpu 1.30.0'],
    [
      'with a wrong hash',
      (f) => [writeProvider(f, { wrongHash: 'onnxruntime/capi/libonnxruntime_providers_cuda.so' })],
      'libonnxruntime_providers_cuda.so does not match its hash in RECORD',
    ],
  ])('refuses a wheel %s, and keeps the earlier installation', async (_, wheels, why) => {
    const home = freshFolder('home');
    const before = await installGpu([writeProvider(freshFolder('good'))], options(home));
    expect(
      await expectAppError('gpu/wheel', () => installGpu(wheels(freshFolder('wheels')), options(home))),
    ).toMatchObject({ detail: { why: expect.stringContaining(why) as string } });
    expect([readGpuManifest(home), readdirSync(home)]).toEqual([before, ['gpu']]);
  });

  it('refuses an archive that is cut off or damaged', async () => {
    const folder = freshFolder('wheels');
    const path = writeProvider(folder);
    const content = readFileSync(path);
    writeFileSync(path, content.subarray(0, content.length - 30));
    await expectAppError('file/unreadable', () => readZipEntries(path));
    const damaged = Buffer.from(content);
    const at = damaged.indexOf('libonnxruntime_providers_cuda.so') + 200;
    damaged.fill(0, at, at + 50);
    writeFileSync(path, damaged);
    const home = freshFolder('home');
    await expect(installGpu([path], options(home))).rejects.toThrow();
    expect([readGpuManifest(home), existsSync(getGpuDir(home)), readdirSync(home)]).toEqual([
      null,
      false,
      [],
    ]);
  });

  it('distinguishes a target that cannot be written from an archive that cannot be read', async () => {
    const path = writeProvider(freshFolder('wheels'));
    const entry = (await readZipEntries(path)).find(({ name }) => name.endsWith('providers_cuda.so'))!;
    const folder = freshFolder('taken');
    expect(
      (await expectAppError('file/unwritable', () => extractEntry(path, entry, folder))).detail,
    ).toMatchObject({
      path: folder,
    });
    if (process.platform === 'linux')
      expect(
        (await expectAppError('file/no-space', () => extractEntry(path, entry, '/dev/full'))).message,
      ).toContain('the disk of /dev/full is full');
  });

  it('leaves nothing when it is cancelled between two files', async () => {
    const home = freshFolder('home');
    const stop = new AbortController();
    await expectAppError('cancelled', () =>
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
});
