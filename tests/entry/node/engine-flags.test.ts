/** @file The flags of the engine of a run. */
import { describe, expect, it } from 'vitest';
import { readLaunch } from '../../../src-main/entry/node/engine-flags.ts';
import { launchDefaults } from '../../../src-main/train/launch.ts';

describe('the flags of an engine', () => {
  it("ask for nothing, for Cambium's engine, or for PyTorch with its defaults", () => {
    expect(readLaunch({})).toBeUndefined();
    expect(readLaunch({ engine: 'cambium' })).toBeNull();
    expect(readLaunch({ engine: 'torch' })).toEqual(launchDefaults);
  });

  it('set processes, what they divide, and the price', () => {
    expect(
      readLaunch({
        engine: 'torch',
        gpus: '8',
        tensorParallel: '2',
        compile: true,
        consolidate: 'end',
        pricePerHour: '2.5',
      }),
    ).toEqual({
      engine: 'torch',
      processes: 8,
      tensorParallel: 2,
      compile: true,
      consolidate: 'end',
      pricePerHour: 2.5,
    });
    expect(readLaunch({ engine: 'torch', processes: '3' })).toMatchObject({ processes: 3 });
  });

  it('queue a run in Slurm', () => {
    expect(readLaunch({ engine: 'torch', gpus: '8', nodes: '4' })).toMatchObject({
      processes: 8,
      slurm: { nodes: 4, minutes: 1440 },
    });
    const given = { nodes: '2', minutes: '90', partition: 'gpu', cpus: '6', slurmOption: ['--exclusive'] };
    expect(readLaunch({ engine: 'torch', ...given })?.slurm).toEqual({
      nodes: 2,
      minutes: 90,
      partition: 'gpu',
      cpus: 6,
      options: ['--exclusive'],
    });
  });

  it.each([
    [{ gpus: '2' }, '--gpus needs --engine torch'],
    [{ engine: 'cambium', tensorParallel: '2' }, '--tensor-parallel needs --engine torch'],
    [{ engine: 'jax' }, '--engine is "jax"; it can be cambium, torch'],
    [{ engine: 'torch', gpus: '2', processes: '2' }, 'give --gpus or --processes, not both'],
    [{ engine: 'torch', gpus: '0' }, '--gpus is "0"'],
    [{ engine: 'torch', partition: 'gpu' }, '--partition needs --nodes'],
    [{ engine: 'torch', nodes: '2', account: 'a b' }, '--account must be one word'],
    [{ engine: 'torch', nodes: '2', slurmOption: ['--x=$(id)'] }, '--slurm-option must be of the form'],
    [{ engine: 'torch', pricePerHour: 'much' }, '--price-per-hour is "much"'],
  ])('%j is a usage error', (options, why) => {
    expect(() => readLaunch(options)).toThrow(expect.objectContaining({ code: 'usage' }) as Error);
    try {
      readLaunch(options);
    } catch (error) {
      expect((error as { readonly detail: { readonly why: string } }).detail.why).toContain(why);
    }
  });
});
