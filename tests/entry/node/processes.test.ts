import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { connect } from '../../../src-main/contract/connect.ts';
import { engine } from '../../../src-main/contract/engine.ts';
import { withEngine } from '../../../src-main/service/engines.ts';
import { readMark } from '../../../src-main/store/run/state.ts';
import {
  errorCodeOf,
  collectAll,
  exampleCheckpoint,
  startForkedTestService,
  trainingSettings,
  waitUntil,
  type TestService,
} from '../../support/test-service.ts';
import type { Processes } from '../../../src-main/service/engines.ts';
import type { FakeBehavior } from '../../support/fake-engine.ts';

let place: TestService<Processes & { killAll(): void }>;
afterEach(async () => {
  await place.service.close();
  place.processes.killAll();
  await place.cleanUp();
});
const start = (tokens = 100) =>
  place.service.api.startRun({
    checkpoint: exampleCheckpoint,
    data: [place.textFile],
    out: join(place.dir, 'run'),
    settings: trainingSettings({ tokens }),
  });
const mood = (now: FakeBehavior): void => {
  process.env['FAKE_ENGINE'] = now;
};

describe('engines as processes', { timeout: 30_000 }, () => {
  it('answers, and leaves when its channel closes', async () => {
    place = startForkedTestService();
    const child = await place.processes.spawn({});
    expect(await connect(engine, child).devices({})).toMatchObject([{ id: 'cpu' }]);
    child.close();
    expect(await child.exited).toMatchObject({ code: 0, signal: null });
  });

  it('tells how it died, with its last lines', async () => {
    place = startForkedTestService({ behavior: 'full' });
    const child = await place.processes.spawn({});
    const call = errorCodeOf(connect(engine, child).devices({}));
    expect(await child.exited).toMatchObject({
      code: null,
      signal: 'SIGABRT',
      lines: expect.stringContaining('Failed to allocate') as string,
    });
    expect(await call).toBe('rpc/closed');
    expect(await errorCodeOf(withEngine(place.processes, {}, (e) => e.devices({})))).toBe('engine/out-of-memory');
  });

  it('is killed when it does not hear', async () => {
    place = startForkedTestService({ behavior: 'deaf' });
    const child = await place.processes.spawn({});
    // it is there, and hears
    expect(await errorCodeOf(connect({ hello: engine.devices }, child)['hello']({}))).toBe('rpc/unknown');
    child.close();
    expect(
      await Promise.race([
        child.exited,
        new Promise((r) => {
          setTimeout(r, 300, 'alive');
        }),
      ]),
    ).toBe('alive');
    child.kill();
    expect(await child.exited).toMatchObject({ signal: 'SIGKILL' });
  });

  it('refuses a script that is not there, as a death with its reason', async () => {
    place = startForkedTestService();
    const { createForkedProcesses: forkProcesses } = await import('../../../src-main/entry/node/processes.ts');
    const error = await withEngine(forkProcesses('/nowhere/engine.js'), {}, (e) => e.devices({})).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({
      code: 'engine/crashed',
      detail: { lines: expect.stringContaining('Cannot find module') as string },
    });
  });

  it.each([
    ['die', 'engine/crashed'],
    ['full', 'engine/out-of-memory'],
  ] as const)(
    'a run whose engine ends (%s) says so in its file, keeps the log, and can be resumed',
    async (how, code) => {
      place = startForkedTestService({ behavior: how });
      const card = await start();
      const events = await collectAll(place.service.api.followRun({ id: card.id, from: 0 }));
      expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'failed', error: { code } });
      await waitUntil(() => place.service.activeCount() === 0);
      expect(await place.service.api.run({ id: card.id })).toMatchObject({
        state: 'failed',
        error: { code },
      });
      expect(readFileSync(join(card.dir, 'log.txt'), 'utf8')).not.toBe('');
      mood('obey');
      await place.service.api.resumeRun({ id: card.id });
      expect((await collectAll(place.service.api.followRun({ id: card.id, from: 0 }))).at(-1)).toMatchObject({
        type: 'stopped',
        reason: 'finished',
      });
    },
  );

  it('a run whose engine is killed loses at most what came after its last checkpoint', async () => {
    place = startForkedTestService({ stepMs: 5 });
    const card = await start(10_000);
    await waitUntil(async () => (await place.service.api.run({ id: card.id })).step >= 5, 10_000);
    process.kill((await readMark(card.dir))!.pid, 'SIGKILL');
    await waitUntil(() => place.service.activeCount() === 0, 10_000);
    const dead = await place.service.api.run({ id: card.id });
    expect(dead).toMatchObject({ state: 'failed', error: { code: 'engine/crashed' } });
    expect(dead.savedStep).toBeGreaterThanOrEqual(3);
    await place.service.api.resumeRun({ id: card.id });
    await waitUntil(async () => (await place.service.api.run({ id: card.id })).step > dead.step + 2, 10_000);
    const stopped = await place.service.api.stopRun({ id: card.id });
    const steps = (await collectAll(place.service.api.followRun({ id: card.id, from: 0 }))).flatMap((e) =>
      e.type === 'step' ? [e.step] : [],
    );
    expect(steps).toEqual(Array.from({ length: stopped.step }, (_, i) => i + 1));
  });

  it('saves and ends when the process that started it is gone', async () => {
    place = startForkedTestService({ stepMs: 5 });
    const card = await start(10_000);
    await waitUntil(async () => (await place.service.api.run({ id: card.id })).step >= 2, 10_000);
    await place.service.close();
    expect(await place.service.api.run({ id: card.id })).toMatchObject({ state: 'paused' });
  });

  it('a cancelled growth leaves nothing, even when its engine must be killed', async () => {
    place = startForkedTestService({ behavior: 'deaf' });
    const out = join(place.dir, 'grown');
    const job = await place.service.api.startGrowth({
      source: exampleCheckpoint,
      out,
      request: { method: 'identity', to: { layers: 4 }, options: {}, seed: 0, dtype: 'keep' },
      device: 'cpu',
    });
    await waitUntil(() => readdirSync(place.dir).some((name) => name.includes('partial')), 10_000);
    await place.service.api.cancelJob({ id: job.id });
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(place.dir).filter((name) => name.includes('partial'))).toEqual([]);
    expect(await place.service.api.jobs({})).toMatchObject([{ state: 'cancelled' }]);
  });
});
