/** @file Installations of the CUDA provider, in the place of the one before. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getGpuDir, hashFile, installGpu, readGpuManifest } from '../../../src-main/store/gpu/install.ts';
import { createBytes, createWheel, getProviderFileName, writeProvider } from '../../store/gpu/wheels.ts';
import type { Operation, Place } from './operation.ts';

const runtimeOf = ({ inputs }: Place): string => join(inputs, 'libonnxruntime.so.1');
const wheelFile = 'nvidia_cuda_runtime-13.5.37-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl';
const library = 'libcudart.so.13';
/** Two wheels of different contents take turns. */
const variantOf = (n: number): string => `wheels-${n % 2}`;
const wheelOf = ({ inputs }: Place, n: number): string => join(inputs, variantOf(n), wheelFile);

export const install: Operation = {
  guess: 120,
  prepare(place) {
    writeFileSync(runtimeOf(place), createBytes(9, 4000));
    for (const n of [0, 1]) {
      mkdirSync(join(place.inputs, variantOf(n)));
      const files = { [`nvidia/cu13/lib/${library}`]: createBytes(n, 150_000) };
      writeFileSync(wheelOf(place, n), createWheel('nvidia_cuda_runtime', '13.5.37', files));
    }
    writeProvider(place.inputs);
    return Promise.resolve(undefined);
  },
  async work(place, { begun: n }) {
    const provider = join(place.inputs, getProviderFileName());
    const runtime = { version: '1.30.0', library: runtimeOf(place) };
    await installGpu([provider, wheelOf(place, n)], { home: place.root, runtime, arch: 'x64' });
  },
  async check(place, { begun, done, completed }) {
    const manifest = readGpuManifest(place.root);
    if (!manifest) return completed === 0 ? [] : ['the installation is gone'];
    const wrong: string[] = [];
    for (const { name, sha256 } of manifest.files)
      if ((await hashFile(join(getGpuDir(place.root), name), 'base64url').catch(() => '')) !== sha256)
        wrong.push(`${name} is not as in the manifest`);
    const possible = begun === done ? [done] : [done, begun];
    const hashes = await Promise.all(possible.map((n) => hashFile(wheelOf(place, n), 'hex')));
    const found = manifest.wheels[wheelFile] ?? '';
    if (completed > 0 && begun - done <= 1 && !hashes.includes(found))
      wrong.push(`another installation than number ${possible.join(' or ')} is there`);
    return wrong;
  },
};
