/**
 * @file NVRTC compiles every kernel for every architecture since Ampere. Registers, spills and shared memory are kept
 * in resources.json, so that a change that makes a kernel heavier shows in its diff (CAMBIUM_UPDATE_KERNELS=1 writes
 * it).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kernels } from '../../src-main/engine/kernels/index.ts';
import { launchesOf, launchOf } from './real-launches.ts';
import { architectures, compile, missing, type Resources } from './nvrtc.ts';

/** Dynamic shared memory that a block of every one of them may have. */
const mostShared = 99 * 1024;
const isUpdating = process.env['CAMBIUM_UPDATE_KERNELS'] === '1';
const file = join(import.meta.dirname, 'resources.json');

type Table = Readonly<Record<string, Readonly<Record<string, Resources>>>>;

describe.skipIf(missing)(`kernels under NVRTC${missing ? `, skipped: ${missing}` : ''}`, () => {
  const compiled: Record<string, Record<string, Resources>> = {};

  const cases = kernels.flatMap((kernel) =>
    launchesOf(kernel).map(([name, launch]) => [name, launch, kernel] as const),
  );

  it.each(cases)('%s compiles for every architecture, without spills', (name, launch, kernel) => {
    expect(launch.sharedBytes).toBeLessThanOrEqual(mostShared);
    const byArchitecture = architectures.map((architecture) => {
      const resources = compile(kernel, launch, architecture);
      return [architecture, resources] as const;
    });
    compiled[name] = Object.fromEntries(byArchitecture);
    if (isUpdating) return;
    expect(compiled[name]).toEqual((JSON.parse(readFileSync(file, 'utf8')) as Table)[name]);
    for (const [, { spills }] of byArchitecture) expect(spills).toBe(0);
  });

  it.runIf(isUpdating)('writes the table', () => {
    writeFileSync(file, `${JSON.stringify(compiled, null, 2)}\n`);
  });

  it('names the kernel and the line of an error', () => {
    const kernel = kernels[0]!;
    const wrong = { ...kernel, source: `${kernel.source}\nint unfinished = ;` };
    expect(() => compile(wrong, launchOf(kernel), 'sm_90')).toThrow(
      expect.objectContaining({
        code: 'kernel/compile',
        detail: expect.objectContaining({ kernel: kernel.op }) as unknown,
      }),
    );
  });
});
