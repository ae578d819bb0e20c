import { linkSync, mkdtempSync, rmSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { DeviceTensor } from '../../../src-main/engine/ort/device-tensor.ts';
import { encodeIdentityModel } from '../../../src-main/engine/ort/identity.ts';
import { findLibrary } from '../../../src-main/engine/ort/library.ts';
import { openSession } from '../../../src-main/engine/ort/session.ts';
import { dtypes, type DType } from '../../../src-main/tensor/dtype.ts';

const all = Object.keys(dtypes) as DType[];

test.each(all)('uploads and downloads %s', async (dtype) => {
  const device = await openDevice('cpu');
  const bytes = Uint8Array.from({ length: 12 * dtypes[dtype].bytes }, (_, i) => i % 2);
  const tensor = await device.upload(bytes, dtype, [3, 4]);
  const zeros = await device.zeros(dtype, [2]);
  bytes.fill(0);
  expect(tensor).toMatchObject({ dtype, shape: [3, 4], device: 'cpu' });
  expect(await device.download(tensor)).toEqual(Uint8Array.from(bytes, (_, i) => i % 2));
  expect(await device.download(zeros)).toEqual(new Uint8Array(2 * dtypes[dtype].bytes));
  await device.dispose();
});

test.each(all)('the Identity model of %s accepts any shape', async (dtype) => {
  const session = await openSession(encodeIdentityModel(dtype), 'cpu');
  for (const shape of [[], [3], [2, 1, 2]]) {
    const x = DeviceTensor.allocate(dtype, shape);
    const y = (await session.run({ x }, { y: 'host' })).get('y')!;
    expect([y.dtype, y.shape]).toEqual([dtype, shape]);
    y.dispose();
  }
  await session.dispose();
});

test('disposing of a device disposes of its sessions', async () => {
  const device = await openDevice('cpu', { threads: 1 });
  const session = await device.openSession(encodeIdentityModel('float32'));
  await device.dispose();
  await expect(session.run({ x: DeviceTensor.allocate('float32', [1]) }, { y: 'host' })).rejects.toThrow(
    /disposed/,
  );
});

describe('a missing device', () => {
  test('is refused with the reason, without a fallback', async () => {
    const opened = await openDevice('cuda').then(
      (device) => device.kind,
      (error: unknown) => error,
    );
    if (opened === 'cuda') console.log('skipped: this machine has CUDA');
    else
      expect(opened).toMatchObject({
        code: 'engine/no-device',
        detail: {
          device: 'cuda',
          why: expect.stringMatching(/^(the library \S+ is missing|[A-Z])/) as string,
        },
      });
  });
  test('is looked for in the folder of CAMBIUM_GPU_LIBRARIES', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cambium-gpu-'));
    const file = findLibrary({});
    const linked = join(folder, basename(file));
    try {
      linkSync(file, linked);
      const urlOf = (file: string): string =>
        JSON.stringify(new URL(`../../../src-main/engine/ort/${file}`, import.meta.url).href);
      const script = `const { getLibrary } = await import(${urlOf('library.ts')});
        const { openDevice } = await import(${urlOf('device.ts')});
        console.log(getLibrary().path);
        console.log(await openDevice('cuda').then(() => '', (error) => error.detail.why));
        await openDevice('cpu');`;
      const [path, why] = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        env: { ...process.env, CAMBIUM_GPU_LIBRARIES: folder, CAMBIUM_ORT_LIBRARY: '' },
        encoding: 'utf8',
      })
        .trim()
        .split('\n');
      expect(path).toBe(linked);
      expect(why).toContain(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
