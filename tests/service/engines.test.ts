import { describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import { exitError, engineStream, withEngine } from '../../src-main/service/engines.ts';
import { fakeProcesses } from '../support/fake-processes.ts';
import { errorCodeOf } from '../support/test-service.ts';

describe('engines', () => {
  it('gives the answer, and the engine is gone', async () => {
    const processes = fakeProcesses();
    expect(await withEngine(processes, {}, (e) => e.devices({}))).toMatchObject([{ id: 'cpu' }]);
    expect(processes.spawned).toMatchObject([{ exited: true, killed: false }]);
  });

  it('turns a death into an error with its last lines', async () => {
    const processes = fakeProcesses({ behavior: () => 'die' });
    const error = await withEngine(processes, {}, (e) => e.devices({})).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'engine/crashed',
      detail: { how: 'exit code 1', lines: 'something broke\n' },
    });
    expect(processes.spawned[0]!.exited).toBe(true);
  });

  it('tells when memory ran out', async () => {
    expect(await errorCodeOf(withEngine(fakeProcesses({ behavior: () => 'full' }), {}, (e) => e.devices({})))).toBe(
      'engine/out-of-memory',
    );
  });

  it('passes a proper error on', async () => {
    const processes = fakeProcesses({ behavior: () => 'refuse' });
    expect(await errorCodeOf(withEngine(processes, {}, (e) => e.devices({})))).toBe('engine/no-device');
    expect(processes.spawned[0]!.exited).toBe(true);
  });

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
  ])('names the death %o', (exit, code) => {
    const error = exitError(exit);
    expect(error).toBeInstanceOf(AppError);
    expect(error.code).toBe(code);
  });

  it('ends the engine when a stream is left', async () => {
    const processes = fakeProcesses();
    for await (const event of engineStream(processes, (e, s) =>
      e.sample({ from: 'x', prompt: 'a', tokens: 1000, temperature: 0, seed: 0, device: 'cpu' }, s),
    ))
      if (event.type === 'text') break;
    for (let i = 0; i < 200 && !processes.spawned[0]!.exited; i++)
      await new Promise((r) => {
        setTimeout(r, 5);
      });
    expect(processes.spawned[0]).toMatchObject({ exited: true, killed: false });
  });

  it('kills an engine that does not hear', async () => {
    const processes = fakeProcesses({ behavior: () => 'deaf' });
    const stop = new AbortController();
    const work = errorCodeOf(withEngine(processes, {}, (e) => e.devices({}, stop.signal)));
    setTimeout(() => {
      stop.abort();
    }, 20);
    expect(await work).toBe('cancelled');
    expect(processes.spawned[0]).toMatchObject({ exited: true, killed: true });
  }, 15_000);
});
