import { describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import type { Device } from '../../src-main/contract/schema.ts';
import { engineStream, exitError, withEngine, type Processes } from '../../src-main/service/engines.ts';
import { fakeProcesses } from '../support/fake-processes.ts';
import { errorCodeOf, waitUntil } from '../support/test-service.ts';

const listDevices = (processes: Processes): Promise<readonly Device[]> =>
  withEngine(processes, {}, (engine) => engine.devices({}));

describe('withEngine', () => {
  it('returns the result after the engine has exited', async () => {
    const processes = fakeProcesses();
    expect(await listDevices(processes)).toMatchObject([{ id: 'cpu' }]);
    expect(processes.spawned).toMatchObject([{ exited: true, killed: false }]);
  });

  it('throws the error of an engine that dies, with its last lines', async () => {
    const processes = fakeProcesses({ behavior: () => 'die' });
    const error = await listDevices(processes).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'engine/crashed',
      detail: { how: 'exit code 1', lines: 'something broke\n' },
    });
    expect(processes.spawned[0]!.exited).toBe(true);
  });

  it('throws engine/out-of-memory if memory ran out', async () => {
    const processes = fakeProcesses({ behavior: () => 'full' });
    expect(await errorCodeOf(listDevices(processes))).toBe('engine/out-of-memory');
  });

  it('throws the errors of the engine', async () => {
    const processes = fakeProcesses({ behavior: () => 'refuse' });
    expect(await errorCodeOf(listDevices(processes))).toBe('engine/no-device');
    expect(processes.spawned[0]!.exited).toBe(true);
  });

  it('kills an engine that does not exit', async () => {
    const processes = fakeProcesses({ behavior: () => 'deaf' });
    const controller = new AbortController();
    const work = withEngine(processes, {}, (engine) => engine.devices({}, controller.signal));
    setTimeout(() => {
      controller.abort();
    }, 20);
    expect(await errorCodeOf(work)).toBe('cancelled');
    expect(processes.spawned[0]).toMatchObject({ exited: true, killed: true });
  }, 15_000);
});

describe('engineStream', () => {
  it('ends the engine when the loop is left', async () => {
    const processes = fakeProcesses();
    const request = { from: 'x', prompt: 'a', tokens: 1000, temperature: 0, seed: 0, device: 'cpu' } as const;
    const events = engineStream(processes, (engine, signal) => engine.sample(request, signal));
    for await (const event of events) if (event.type === 'text') break;
    await waitUntil(() => processes.spawned[0]!.exited);
    expect(processes.spawned[0]).toMatchObject({ exited: true, killed: false });
  });
});

describe('many streams at once', () => {
  const request = {
    from: 'x',
    prompt: 'a',
    tokens: 100_000,
    temperature: 0,
    seed: 0,
    device: 'cpu',
  } as const;
  const sample = (processes: Processes, controller = new AbortController()) => {
    const events = engineStream(
      processes,
      (engine, signal) => engine.sample(request, signal),
      controller.signal,
    );
    const ended = (async () => {
      for await (const event of events) void event;
    })().catch(() => undefined);
    return { controller, ended };
  };

  it('have four engines; the others wait, and a cancelled one leaves the queue', async () => {
    const processes = fakeProcesses({ behavior: () => 'deaf' });
    const streams = Array.from({ length: 25 }, () => sample(processes));
    await waitUntil(() => processes.spawned.length === 4);
    for (const { controller } of streams.slice(5)) controller.abort();
    await Promise.all(streams.slice(5).map(({ ended }) => ended));
    expect(processes.spawned).toHaveLength(4);
    streams[0]!.controller.abort();
    // An engine that does not exit is killed after five seconds.
    await waitUntil(() => processes.spawned.length === 5, 30_000);
    expect(processes.spawned.filter(({ exited }) => !exited)).toHaveLength(4);
    for (const { controller } of streams) controller.abort();
    await Promise.all(streams.map(({ ended }) => ended));
    expect(processes.spawned).toHaveLength(5);
  }, 60_000);
});

describe('exitError', () => {
  it.each([
    [{ code: null, signal: 'SIGKILL', lines: '' }, 'engine/crashed'],
    [{ code: 3, signal: null, lines: 'x' }, 'engine/crashed'],
    [{ code: null, signal: 'SIGSEGV', lines: '' }, 'engine/crashed'],
    [
      {
        code: 134,
        signal: null,
        lines: 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
      },
      'engine/out-of-memory',
    ],
    [{ code: 1, signal: null, lines: 'CUDA failure 2: out of memory ; GPU=0' }, 'engine/out-of-memory'],
    [{ code: 1, signal: null, lines: 'std::bad_alloc' }, 'engine/out-of-memory'],
  ])('of %o is %s', (exit, code) => {
    const error = exitError(exit);
    expect(error).toBeInstanceOf(AppError);
    expect(error.code).toBe(code);
  });
});
