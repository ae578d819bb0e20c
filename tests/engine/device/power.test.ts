import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { watchPower } from '../../../src-main/engine/device/power.ts';
import { freshFolder } from '../../support/temporary.ts';

/** Creates a RAPL zone whose counter wraps at 1,000 J. Returns a function that sets its counter in joules. */
function createZone(folder: string, n: number, name: string): (joules: number) => void {
  const dir = join(folder, `intel-rapl:${n}`);
  mkdirSync(dir);
  writeFileSync(join(dir, 'name'), `${name}\n`);
  writeFileSync(join(dir, 'max_energy_range_uj'), '1000000000\n');
  return (joules) => {
    writeFileSync(join(dir, 'energy_uj'), `${joules * 1e6}\n`);
  };
}

describe('watchPower on a CPU', () => {
  it('adds up the counters of all packages, through their wrap-around', async () => {
    const folder = freshFolder();
    const setFirst = createZone(folder, 0, 'package-0');
    const setPlatform = createZone(folder, 1, 'psys');
    const setSecond = createZone(folder, 2, 'package-1');
    setFirst(990);
    setPlatform(0);
    setSecond(100);
    const power = await watchPower('cpu', 50, { folder });
    setFirst(998);
    setPlatform(500);
    expect(await power.joules()).toBeCloseTo(8, 6);
    setFirst(5);
    setSecond(120);
    expect(await power.joules()).toBeCloseTo(35, 6);
    expect(power.source()).toBe('rapl');
    rmSync(join(folder, 'intel-rapl:2', 'energy_uj'));
    expect((await watchPower('cpu', 50, { folder })).source()).toBe('assumed');
  });

  it('assumes a power where there are no counters', async () => {
    expect((await watchPower('cpu', 50, { folder: '/nowhere' })).source()).toBe('assumed');
  });
});

describe('watchPower on CUDA without nvidia-smi', () => {
  const smi = '/nowhere/nvidia-smi';

  it('knows no energy', async () => {
    const power = await watchPower('cuda', undefined, { smi });
    await wait(100);
    expect([power.source(), await power.joules(), power.newest()]).toEqual([null, null, undefined]);
    power.close();
  });

  it('assumes a power if one is given', async () => {
    const power = await watchPower('cuda', 100, { smi });
    expect(power.source()).toBe('assumed');
    expect((await power.joules())!).toBeGreaterThanOrEqual(0);
    power.close();
  });
});
