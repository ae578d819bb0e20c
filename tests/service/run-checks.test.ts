import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Device, TrainingRequest } from '../../src-main/contract/schema.ts';
import type { AppError } from '../../src-main/base/errors.ts';
import { createCosts } from '../../src-main/service/cost.ts';
import { createRunCheck } from '../../src-main/service/run-checks.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import * as folder from '../../src-main/store/fs/folder.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { expectAppError } from '../support/expect-app-error.ts';
import { fakeProcesses } from '../support/fake-processes.ts';
import { freePath, freshFolder } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import {
  errorCodeOf,
  exampleCheckpoint,
  noTunnel,
  root,
  startEngineTestService,
  startTestService,
  testEnvironment,
  trainingSettings,
} from '../support/test-service.ts';

vi.mock('../../src-main/store/fs/folder.ts', { spy: true });
afterEach(() => {
  vi.restoreAllMocks();
});

type Settings = Parameters<typeof trainingSettings>[0];

const processor: Device = { id: 'cpu', name: 'Processor', available: true, memory: 16e9, free: 8e9 };

/** Checks a request on a computer with these devices. */
async function check(
  settings: Settings,
  devices: readonly Device[] = [processor],
  more: Partial<TrainingRequest> = {},
): Promise<void> {
  const home = openHome(freshFolder('home'));
  const text = join(freshFolder(), 'text.txt');
  writeFileSync(text, 'to be or not to be\n'.repeat(20));
  const dependencies = {
    home,
    processes: fakeProcesses(),
    tunnel: noTunnel,
    environment: { ...testEnvironment, resources: join(root, 'resources') },
  };
  const listDevices = (): Promise<readonly Device[]> => Promise.resolve(devices);
  const { estimateRun } = createCosts(dependencies, listDevices);
  const request = {
    checkpoint: exampleCheckpoint,
    data: [text],
    settings: trainingSettings(settings),
    ...more,
  };
  await createRunCheck(dependencies, { estimateRun, listDevices })(
    request,
    await openCheckpoint(exampleCheckpoint),
  );
}

describe('createRunCheck', () => {
  it('accepts a run that fits', async () => {
    await check({});
  });

  it('refuses a context that is longer than the positions of the model', async () => {
    const error = await expectAppError('run/bad-setting', () => check({ contextLength: 100_000 }));
    expect(error.message).toContain('context length');
  });

  it('refuses a device that is not there, and one that cannot compute in the precision', async () => {
    const { message } = await expectAppError('engine/no-device', () => check({ device: 'cuda' }));
    expect(message).toContain('it is not on this computer');
    await expectAppError('run/precision', () => check({ device: 'cpu', precision: 'bfloat16' }));
    await expectAppError('run/precision', () => check({ precision: 'bfloat16' }));
    const missing: Device = { ...processor, id: 'cuda', available: false, why: 'the driver is missing' };
    const error = await expectAppError('engine/no-device', () => check({ device: 'cuda' }, [missing]));
    expect(error.message).toContain('the driver is missing');
  });

  it('refuses what needs more memory than the device has, and names settings that fit', async () => {
    const large = { microBatch: 4096, contextLength: 64, tokens: 1e6 };
    const small = { ...processor, memory: 4e8 };
    const { detail } = (await expectAppError('engine/does-not-fit', () => check(large, [small]))) as AppError;
    const { needed, fits } = detail as { needed: number; fits: { change: Settings; bytes: number }[] };
    expect(needed).toBeGreaterThan(4e8);
    expect(fits.length).toBeGreaterThan(0);
    for (const { change, bytes } of fits) {
      expect(bytes).toBeLessThan(4e8);
      await check({ ...large, ...change }, [small]);
    }
    await check(large, [{ ...processor, memory: null }]);
  });

  it('refuses checkpoints that the disk cannot hold', async () => {
    const free = vi.mocked(folder.getFreeBytes);
    const out = freePath('run');
    free.mockResolvedValue(1000);
    const { detail } = (await expectAppError('file/no-space', () =>
      check({}, undefined, { out }),
    )) as AppError;
    const { needed } = detail as { needed: number };
    free.mockResolvedValue(needed);
    await check({}, undefined, { out });
    // One save at the end needs less than three that lie beside each other for a moment.
    free.mockResolvedValue(needed / 2);
    await check({ saveEvery: 0 }, undefined, { out });
    await expectAppError('file/no-space', () => check({}, undefined, { out }));
  });

  it('does not judge devices when none can be listed', async () => {
    await check({ precision: 'bfloat16' }, []);
  });
});

describe('startRun', () => {
  it('creates no folder for a run that cannot end', async () => {
    const { service, dir, textFile, cleanUp } = startTestService();
    const out = join(dir, 'run');
    const settings = trainingSettings({ contextLength: 100_000 });
    const request = { checkpoint: exampleCheckpoint, data: [textFile], out, settings };
    expect(await errorCodeOf(service.api.startRun(request))).toBe('run/bad-setting');
    expect(existsSync(out)).toBe(false);
    expect(await service.api.runs({})).toEqual([]);
    await service.close();
    await cleanUp();
  });

  it('creates no folder for a text that is shorter than a window', { timeout: 60_000 }, async () => {
    const { service, processes, dir, cleanUp } = startEngineTestService();
    const [short, long] = ['short.jsonl', 'long.jsonl'].map((name) => join(dir, name)) as [string, string];
    writeFileSync(short, '{"text":"to be"}\n');
    writeFileSync(long, '{"text":"to be or not to be"}\n'.repeat(100));
    const out = join(dir, 'run');
    const checkpoint = await makeTinyCheckpoint('llama', { tokenizer: true });
    const start = (data: string[], weights?: number[]): Promise<unknown> =>
      service.api.startRun({
        checkpoint,
        data,
        out,
        settings: trainingSettings({ contextLength: 16 }),
        ...(weights ? { weights } : {}),
      });
    expect(await errorCodeOf(start([short]))).toBe('data/empty');
    expect(await errorCodeOf(start([long, short], [1, 1]))).toBe('data/empty');
    expect(existsSync(out)).toBe(false);
    await start([long, short]);
    expect(existsSync(out)).toBe(true);
    await service.close();
    processes.killAll();
    await cleanUp();
  });
});
