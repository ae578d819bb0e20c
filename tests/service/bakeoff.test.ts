/** @file Bake-offs of the service: with an engine that counts, and with real engines on the built-in checkpoint. */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { BakeoffEvent, BakeoffPlan, BakeoffRequest } from '../../src-main/contract/bakeoff.ts';
import { probeSettings } from '../../src-main/bakeoff/state.ts';
import { readEvents } from '../../src-main/store/run/events.ts';
import { newestStep, readRun } from '../../src-main/store/run/runs.ts';
import { readStepRecord } from '../../src-main/store/run/step-record.ts';
import { toyCorpus } from '../../src-main/train/toy-corpus.ts';
import {
  collectAll,
  errorCodeOf,
  root,
  startEngineTestService,
  startTestService,
  trainingSettings,
  waitUntil,
  type TestService,
} from '../support/test-service.ts';

let app: Pick<TestService, 'service' | 'dir' | 'textFile' | 'cleanUp' | 'restart'>;
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
  delete process.env['CAMBIUM_HOME'];
});

const requestOf = (more: Partial<BakeoffRequest> = {}): BakeoffRequest => ({
  source: join(root, 'resources', 'demo', 'seedling'),
  to: { hidden: 256, ffn: 688 },
  methods: ['hypercloning', 'shrink-perturb', 'copy-pad'],
  growthSeed: 1,
  data: [app.textFile],
  settings: trainingSettings({ tokens: 1000, saveEvery: 0, warmupSteps: 2 }),
  probeTokens: 160,
  seeds: 2,
  rates: [1e-4, 1e-3],
  ...more,
});

function planFor(more: Partial<BakeoffRequest> = {}): Promise<BakeoffPlan> {
  cpSync(join(root, 'resources', 'devices.json'), join(app.dir, 'resources', 'devices.json'));
  return app.service.api.planBakeoff(requestOf(more));
}

/** Runs a bake-off to its end. Returns its folder and its events. */
async function finish(plan: BakeoffPlan): Promise<{ readonly dir: string; readonly events: BakeoffEvent[] }> {
  const { job, dir } = await app.service.api.startBakeoff({ plan, out: join(app.dir, 'bakeoff') });
  return { dir, events: await collectAll(app.service.api.followBakeoff({ id: job })) };
}

const readStored = (dir: string): unknown => JSON.parse(readFileSync(join(dir, 'bakeoff.json'), 'utf8'));
const measurementsIn = (dir: string): unknown =>
  (readStored(dir) as { readonly measurements: unknown }).measurements;

describe('with an engine that counts', () => {
  it('plans all candidates, with random weights of the target and the source beside them', async () => {
    app = startTestService();
    const plan = await planFor();
    expect(plan.candidates.map(({ id, role }) => [id, role])).toEqual([
      ['hypercloning', 'grown'],
      ['shrink-perturb', 'grown'],
      ['copy-pad', 'grown'],
      ['random', 'random'],
      ['source', 'source'],
    ]);
    const [clone, , , random, source] = plan.candidates;
    expect(random!.parameters).toBe(clone!.parameters);
    const flops = plan.candidates.map(
      ({ flopsPerToken, equalFlopsTokens }) => flopsPerToken * equalFlopsTokens,
    );
    for (const value of flops) expect(Math.abs(value / flops[0]! - 1)).toBeLessThan(0.05);
    expect(source!.equalFlopsTokens).toBeGreaterThan(plan.rungs.at(-1)!);
    expect(plan.rungs).toEqual([80, 160]);
    expect(plan.estimate.tokens.low).toBeGreaterThan(0);
  });

  it('waits in the queue while a run trains on its device', async () => {
    app = startTestService({ stepMs: 5 });
    const { api } = app.service;
    const plan = await planFor({ methods: ['hypercloning'] });
    const settings = trainingSettings({ tokens: 1_000_000, device: 'cpu' });
    const checkpoint = join(root, 'resources', 'demo', 'seedling');
    await api.startRun({ checkpoint, data: [app.textFile], out: join(app.dir, 'first'), settings });
    const { job, dir } = await api.startBakeoff({ plan, out: join(app.dir, 'bakeoff'), queue: 'last' });
    await waitUntil(async () => (await api.queue({})).length === 1);
    const [queue] = await api.queue({});
    expect(queue!.waiting).toMatchObject([{ kind: 'bakeoff', dir, name: plan.name }]);
    expect((await api.bakeoff({ dir })).state).toBe('running');
    await api.stopRun({ id: join(app.dir, 'first') });
    const events = await collectAll(api.followBakeoff({ id: job }));
    expect(events.map(({ type }) => type)).toContain('measured');
    expect(await api.queue({})).toEqual([]);
  });

  it('measures every probe, ranks the candidates, and lists itself', async () => {
    app = startTestService();
    const { api } = app.service;
    const { dir, events } = await finish(await planFor());
    expect(events.at(-1)).toEqual({ type: 'done', dir });
    const view = await api.bakeoff({ dir });
    const { report } = view;
    expect(view.state).toBe('finished');
    expect(report.progress.done).toBe(report.progress.of);
    expect(report.conclusion).toMatchObject({ kind: 'winner', winner: 'hypercloning' });
    expect(report.atEqualTokens!.rows.map(({ id }) => id)).toEqual([
      'source',
      'hypercloning',
      'shrink-perturb',
      'random',
    ]);
    expect(report.candidates.map(({ id, lr, dropped }) => [id, lr, dropped?.why ?? null])).toEqual([
      ['hypercloning', 1e-3, null],
      ['shrink-perturb', 1e-3, null],
      ['copy-pad', 1e-3, 'worse'],
      ['random', 1e-3, null],
      ['source', 1e-3, null],
    ]);
    expect((await api.bakeoffs({})).map((one) => [one.dir, one.state])).toEqual([[dir, 'finished']]);
    expect(await api.runs({})).toEqual([]);
    const html = await api.bakeoffReport({ dir, format: 'html' });
    expect(html.text).toContain(report.conclusion.sentences[0]);
    expect(html.text).not.toMatch(/NaN|undefined|https?:/);
    expect(readFileSync(join(dir, 'report.html'), 'utf8')).toBe(html.text);
    expect(JSON.parse((await api.bakeoffReport({ dir, format: 'json' })).text)).toEqual(
      JSON.parse(JSON.stringify(report)),
    );
  });

  it('continues where it was paused, and after a kill at any measurement, to the same result', async () => {
    app = startTestService({ stepMs: 2 });
    const { api } = app.service;
    const plan = await planFor();
    const { dir } = await finish(plan);
    const expected = measurementsIn(dir) as readonly unknown[];
    rmSync(dir, { recursive: true });

    const { job } = await api.startBakeoff({ plan, out: dir });
    await waitUntil(() => (measurementsIn(dir) as readonly unknown[]).length >= 3);
    expect(await errorCodeOf(api.resumeBakeoff({ dir }))).toBe('bakeoff/already-running');
    await api.cancelJob({ id: job });
    expect((await api.bakeoff({ dir })).state).toBe('paused');
    const next = await api.resumeBakeoff({ dir });
    await collectAll(api.followBakeoff({ id: next.job }));
    expect(measurementsIn(dir)).toEqual(expected);

    // A kill after a probe was trained and before its measurement was written.
    const stored = readStored(dir) as { readonly measurements: readonly unknown[] };
    const cut = { ...stored, measurements: stored.measurements.slice(0, -1) };
    writeFileSync(join(dir, 'bakeoff.json'), JSON.stringify(cut));
    const last = await api.resumeBakeoff({ dir });
    await collectAll(api.followBakeoff({ id: last.job }));
    expect(measurementsIn(dir)).toEqual(expected);
  });

  it('refuses settings that would make it unfair, and folders that are none', async () => {
    app = startTestService();
    const { api } = app.service;
    const settings = trainingSettings({ tokens: 1000 });
    for (const more of [
      { settings: { ...settings, distillWeight: 0.5 } },
      { settings: { ...settings, heldOut: 0 } },
      { settings: { ...settings, tokens: 160 } },
    ])
      expect(await errorCodeOf(planFor(more))).toBe('run/bad-setting');
    expect(await errorCodeOf(planFor({ methods: [], to: { hidden: 47 } }))).toBe('bakeoff/no-candidates');
    expect(await errorCodeOf(api.bakeoff({ dir: app.dir }))).toBe('bakeoff/not-found');
    writeFileSync(join(app.dir, 'bakeoff.json'), '{"version":1}');
    expect(await errorCodeOf(api.bakeoff({ dir: app.dir }))).toBe('bakeoff/damaged');
    const plan = await planFor();
    expect(await errorCodeOf(api.startBakeoff({ plan, out: app.dir }))).toBe('file/exists');
  });
});

// Nine engines start one after the other.
it('compares real models on identical batches, and the winner’s probe becomes the run', async () => {
  const started = startEngineTestService();
  app = started;
  process.env['CAMBIUM_HOME'] = join(app.dir, 'home');
  const { api } = app.service;
  const text = join(app.dir, 'stories.txt');
  writeFileSync(text, toyCorpus(60_000, { seed: 1 }));
  const settings = trainingSettings({
    contextLength: 32,
    microBatch: 4,
    tokens: 4096,
    heldOut: 0.1,
    warmupSteps: 3,
  });
  const plan = await planFor({
    data: [text],
    settings,
    methods: ['hypercloning'],
    rates: [1e-3],
    probeTokens: 1024,
    seeds: 1,
  });
  const { dir } = await finish(plan);
  const { report } = await api.bakeoff({ dir });
  const { rows } = report.atEqualTokens!;
  expect(report.windows).toBeGreaterThanOrEqual(8);
  expect(rows.map(({ id }) => id).sort()).toEqual(['hypercloning', 'random', 'source']);
  for (const { loss } of rows) expect(loss).toBeGreaterThan(0);

  // All probes read the same text in the same order.
  const finals = report.candidates.map(({ id, lr }) => join(dir, `runs/${id}-lr${lr!}-seed0`));
  const records = await Promise.all(finals.map(async (run) => readStepRecord((await newestStep(run))!)));
  expect(new Set(records.map(({ textHash }) => textHash)).size).toBe(1);
  const orders = await Promise.all(
    finals.map(async (run) => {
      const { settings: own, data } = await readRun(run);
      return JSON.stringify([own.seed, own.microBatch, own.contextLength, own.heldOut, data]);
    }),
  );
  expect(new Set(orders).size).toBe(1);

  // The run that the winner becomes has the steps of a run that never was a probe.
  const { run, tokens, schedule, candidate } = report.next!;
  const probe = join(dir, run);
  const before = (await newestStep(probe))!.step;
  await api.resumeRun({ id: probe, tokens, schedule });
  await collectAll(api.followRun({ id: probe, from: 0 }));
  const { checkpoint, settings: own } = await readRun(probe);
  const straight = await api.startRun({
    checkpoint,
    data: [text],
    out: join(app.dir, 'straight'),
    settings: { ...probeSettings(plan, { candidate, lr: own.lr, seed: 0 }, tokens) },
  });
  await collectAll(api.followRun({ id: straight.dir, from: 0 }));
  const lossesOf = async (path: string): Promise<readonly number[]> =>
    (await readEvents(path)).flatMap((event) => (event.type === 'step' ? [event.loss] : []));
  const [continued, direct] = [await lossesOf(probe), await lossesOf(straight.dir)];
  expect(candidate).toBe(report.atEqualTokens!.leader);
  expect(continued).toHaveLength(32);
  expect(before).toBe(8);
  // The first step after the probe still begins with the same weights.
  expect(continued.slice(0, before + 1)).toEqual(direct.slice(0, before + 1));
  expect((await api.run({ id: probe })).state).toBe('finished');
  expect(existsSync(join(dir, 'report.json'))).toBe(true);
}, 600_000);
