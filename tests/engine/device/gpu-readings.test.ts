import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseReading, watchGpu } from '../../../src-main/engine/device/gpu-readings.ts';
import { watchPower } from '../../../src-main/engine/device/power.ts';
import { freshFolder } from '../../support/temporary.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Writes a program in the place of nvidia-smi that prints these lines, 50 ms apart, and keeps running. */
function writeFakeSmi(...lines: readonly string[]): string {
  const path = join(freshFolder(), 'smi');
  const prints = lines.map((line) => `echo "${line}"`).join('\nsleep 0.05\n');
  writeFileSync(path, `#!/bin/sh\necho "$@" > "$0.arguments"\n${prints}\nsleep 60\n`);
  chmodSync(path, 0o755);
  return path;
}
const readArguments = (smi: string): string => readFileSync(`${smi}.arguments`, 'utf8');
const polling = { timeout: 20_000 };

describe('parseReading', () => {
  it('reads a line of nvidia-smi', () => {
    expect(parseReading('312.45, 98, 40536, 61')).toEqual({
      watts: 312.45,
      utilisation: 0.98,
      memory: 40536 * 2 ** 20,
      temperature: 61,
    });
  });

  it('reads a value that the GPU does not report as null', () => {
    expect(parseReading('[N/A], 12, 100, [N/A]')).toEqual({
      watts: null,
      utilisation: 0.12,
      memory: 100 * 2 ** 20,
      temperature: null,
    });
  });

  it('returns undefined for any other line', () => {
    expect(parseReading('No devices were found')).toBeUndefined();
  });
});

describe('watchGpu', () => {
  it('integrates power over time by the trapezoidal rule', async () => {
    const smi = writeFakeSmi('100.0, 90, 1000, 60', '300.0, 95, 2000, 61');
    let seconds = 0;
    const gpu = watchGpu({ command: smi, now: () => (seconds += 2) });
    await expect.poll(() => gpu.joules(), polling).toBe(400);
    expect(gpu.newest()).toMatchObject({ watts: 300, temperature: 61 });
    expect(readArguments(smi)).toContain('--query-gpu=power.draw');
    gpu.close();
  });

  it.each([
    [undefined, '0'],
    ['', '0'],
    ['2,0', '2'],
    [' GPU-8932f937-d72c , 1', 'GPU-8932f937-d72c'],
  ])('reads the first GPU of CUDA_VISIBLE_DEVICES=%j', async (visible, id) => {
    vi.stubEnv('CUDA_VISIBLE_DEVICES', visible);
    const smi = writeFakeSmi('100.0, 90, 1000, 60');
    const power = await watchPower('cuda', undefined, { smi });
    await expect.poll(() => power.newest(), polling).toMatchObject({ watts: 100 });
    expect(readArguments(smi)).toContain(` -i ${id} `);
    power.close();
  });
});
