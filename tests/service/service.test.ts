import { cpSync, existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { service as contract } from '../../src-main/contract/service.ts';
import { locateCheckpoint } from '../../src-main/service/locate.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import {
  errorCodeOf,
  collectAll,
  exampleCheckpoint,
  noTunnel,
  trainingSettings,
  testEnvironment,
  waitUntil,
  startTestService,
  type TestService,
} from '../support/test-service.ts';

let place: TestService;
afterEach(async () => {
  await place.service.close();
  await place.cleanUp();
});
const request = { method: 'identity', to: { layers: 4 }, options: {}, seed: 0, dtype: 'keep' } as const;

describe('service', () => {
  it('implements every procedure of its contract, and no other', () => {
    place = startTestService();
    expect(Object.keys(place.service.api).sort()).toEqual(Object.keys(contract).sort());
  });

  it('remembers what was opened, forgets on request, always has the built-in one', async () => {
    place = startTestService();
    const { api } = place.service;
    const copy = join(place.dir, 'copy');
    const own = join(place.dir, 'resources', 'demo', 'seedling');
    expect(await api.checkpoints({})).toMatchObject([{ dir: own, builtIn: true }]);
    cpSync(exampleCheckpoint, copy, { recursive: true });
    expect(await api.openCheckpoint({ dir: copy })).toMatchObject({
      dir: copy,
      family: expect.any(String) as string,
    });
    expect(await api.checkpoints({})).toMatchObject([
      { dir: copy, builtIn: false },
      { dir: own, builtIn: true },
    ]);
    renameSync(copy, `${copy}-gone`);
    expect(await api.checkpoints({})).toHaveLength(1);
    renameSync(`${copy}-gone`, copy);
    await api.forgetCheckpoint({ dir: copy });
    expect(await api.checkpoints({})).toHaveLength(1);
  });

  it('plans what it then grows, as a job that can be followed again', async () => {
    place = startTestService();
    const { api } = place.service;
    const out = join(place.dir, 'grown');
    const plan = await api.planGrowth({ dir: exampleCheckpoint, request });
    const job = await api.startGrowth({ source: exampleCheckpoint, out, request, device: 'cpu' });
    expect(job).toMatchObject({ kind: 'grow', state: 'running' });
    const events = await collectAll(api.followGrowth({ id: job.id }));
    expect(events.filter((e) => e.type === 'tensor')).toHaveLength(plan.stages[0]!.tensors.length);
    expect(events.at(-1)).toMatchObject({ type: 'done', dir: out, certificate: { passed: true } });
    expect(await collectAll(api.followGrowth({ id: job.id }))).toEqual(events);
    expect(await api.jobs({})).toMatchObject([{ id: job.id, state: 'done' }]);
    expect((await api.checkpoints({}))[0]).toMatchObject({ dir: out });
    expect(await errorCodeOf(api.startGrowth({ source: exampleCheckpoint, out, request, device: 'cpu' }))).toBe(
      'file/exists',
    );
  });

  it.each(['stall', 'deaf'] as const)(
    'leaves nothing of a cancelled growth, even when the engine is %s',
    async (mood) => {
      place = startTestService({ behavior: () => mood });
      const { api } = place.service;
      const out = join(place.dir, 'grown');
      const job = await api.startGrowth({ source: exampleCheckpoint, out, request, device: 'cpu' });
      await waitUntil(() => readdirSync(place.dir).some((name) => name.includes('partial')));
      const following = errorCodeOf(collectAll(api.followGrowth({ id: job.id })));
      await api.cancelJob({ id: job.id });
      expect(await following).toBe('cancelled');
      expect(existsSync(out)).toBe(false);
      expect(place.processes.spawned).toMatchObject([{ exited: true, killed: mood === 'deaf' }]);
      // In memory the engine is this very process, so what a killed one leaves is still a live process's:
      // real processes are tested in tests/entry.
      if (mood === 'stall')
        expect(readdirSync(place.dir).sort()).toEqual(
          ['home', 'resources', 'text.txt'].filter((name) => existsSync(join(place.dir, name))).sort(),
        );
    },
    20_000,
  );

  it.each([
    ['die', 'engine/crashed'],
    ['full', 'engine/out-of-memory'],
    ['refuse', 'engine/no-device'],
  ] as const)('tells when the engine of a job ends (%s)', async (mood, code) => {
    place = startTestService({ behavior: () => mood });
    const { api } = place.service;
    const job = await api.startGrowth({
      source: exampleCheckpoint,
      out: join(place.dir, 'grown'),
      request,
      device: 'cpu',
    });
    expect(await errorCodeOf(collectAll(api.followGrowth({ id: job.id })))).toBe(code);
    expect(await api.jobs({})).toMatchObject([{ state: 'failed', error: { code } }]);
    expect(await errorCodeOf(api.certify({ source: exampleCheckpoint, grown: exampleCheckpoint, device: 'cpu' }))).toBe(code);
    expect(
      await errorCodeOf(
        collectAll(
          api.sample({ from: exampleCheckpoint, prompt: '', tokens: 3, temperature: 0, seed: 0, device: 'cpu' }),
        ),
      ),
    ).toBe(code);
  });

  it('samples, evaluates, certifies, lists devices once a minute', async () => {
    place = startTestService();
    const { api } = place.service;
    expect(
      (
        await collectAll(
          api.sample({ from: exampleCheckpoint, prompt: 'a', tokens: 3, temperature: 0, seed: 0, device: 'cpu' }),
        )
      ).map((e) => (e.type === 'text' ? e.text : e.tokens)),
    ).toEqual([' a0', ' a1', ' a2', 3]);
    expect(
      (
        await collectAll(
          api.evaluate({ checkpoint: exampleCheckpoint, data: [place.textFile], contextLength: 8, batchSize: 1, device: 'cpu' }),
        )
      ).at(-1),
    ).toMatchObject({ type: 'done', evaluation: { loss: 2 } });
    expect(await api.certify({ source: exampleCheckpoint, grown: exampleCheckpoint, device: 'cpu' })).toMatchObject({
      passed: true,
    });
    const before = place.processes.spawned.length;
    await Promise.all([api.devices({}), api.devices({})]);
    await api.devices({});
    expect(place.processes.spawned.length).toBe(before + 1);
  });

  it.runIf(process.platform === 'linux')(
    'asks for the devices anew once a GPU\u2019s provider came or went',
    async () => {
      place = startTestService();
      const { api } = place.service;
      const asked = async (): Promise<number> => {
        const before = place.processes.spawned.length;
        await api.devices({});
        await api.devices({});
        return place.processes.spawned.length - before;
      };
      expect([await asked(), await asked()]).toEqual([1, 0]);
      expect(
        await errorCodeOf(collectAll(api.installGpu({ files: [join(place.dir, 'none.whl')], cuda: false }))),
      ).toMatch(/^(file|gpu)\//);
      expect([await asked(), await asked()]).toEqual([1, 0]);
      expect(await api.removeGpu({})).toEqual({ removed: false });
      expect([await asked(), await asked()]).toEqual([1, 0]);
    },
  );

  it('examines the computer, with a remedy for whatever is missing', async () => {
    place = startTestService();
    expect(existsSync(join(place.dir, 'home'))).toBe(false); // a new installation
    const checks = await place.service.api.doctor({});
    expect(checks.map((c) => c.what)).toEqual(
      expect.arrayContaining([
        'Node.js',
        'Platform',
        'ONNX Runtime',
        'Device cpu',
        'Disk',
        'Memory',
        'Built-in example',
        'Desktop window',
        'Browser',
      ]) as string[],
    );
    for (const check of checks) if (!check.ok) expect(check.remedy).toMatch(/\w{3}/);
    expect(checks.filter((c) => !c.ok && !c.optional)).toEqual([]);
  });

  it('exports a run as a job', async () => {
    place = startTestService();
    const { api } = place.service;
    const out = join(place.dir, 'export');
    const run = await api.startRun({
      checkpoint: exampleCheckpoint,
      data: [place.textFile],
      out: join(place.dir, 'run'),
      settings: trainingSettings(),
    });
    await collectAll(api.followRun({ id: run.id, from: 0 }));
    const job = await api.startExport({ run: run.id, out, dtype: 'keep' });
    expect((await collectAll(api.followExport({ id: job.id }))).at(-1)).toMatchObject({
      type: 'done',
      dir: out,
    });
  });

  it('exports a checkpoint for inference, which is not remembered as one to grow', async () => {
    place = startTestService();
    const { api } = place.service;
    const out = join(place.dir, 'onnx');
    const job = await api.startExport({ run: exampleCheckpoint, out, dtype: 'keep', format: 'onnx' });
    expect((await collectAll(api.followExport({ id: job.id }))).at(-1)).toMatchObject({
      type: 'done',
      dir: out,
    });
    expect(await openHome(join(place.dir, 'home')).listCheckpoints()).toEqual([]);
    expect(
      await errorCodeOf(api.startExport({ run: exampleCheckpoint, out: join(place.dir, 'folder'), dtype: 'keep' })),
    ).toBe('run/not-found');
  });

  it('finds a dropped folder by name, config and sizes, and no other', async () => {
    place = startTestService();
    const far = join(place.dir, 'a', 'b');
    const twin = join(place.dir, 'c');
    const config = readFileSync(join(exampleCheckpoint, 'config.json'), 'utf8');
    for (const parent of [far, twin]) cpSync(exampleCheckpoint, join(parent, 'model'), { recursive: true });
    writeFileSync(join(twin, 'model', 'config.json'), `${config} `);
    writeFileSync(join(far, 'model', '.gitattributes'), '*.safetensors filter=lfs\n'); // as git leaves it
    const sizes = readdirSync(join(far, 'model')).map((name) => ({
      name,
      bytes: statSync(join(far, 'model', name)).size,
    }));
    const at = {
      home: openHome(join(place.dir, 'home')),
      processes: place.processes,
      surroundings: testEnvironment,
      tunnel: noTunnel,
    };
    const find = (dropped: Parameters<typeof locateCheckpoint>[1]) => locateCheckpoint(at, dropped, [place.dir]);
    expect(await find({ name: 'model', config, sizes })).toEqual([join(far, 'model')]);
    expect(
      await find({ name: 'model', config, sizes: sizes.map((s) => ({ ...s, bytes: s.bytes + 1 })) }),
    ).toEqual([]);
    expect(await find({ name: 'other', config, sizes })).toEqual([]);
    expect(await find({ name: 'model', config: 'not json', sizes })).toEqual([]);
  });
});
