import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { growJob } from '../../src-main/contract/schema.ts';
import { createRun, openSession, saveStep } from '../../src-main/store/run/runs.ts';
import {
  collectAll,
  errorCodeOf,
  exampleCheckpoint,
  startTestService,
  trainingSettings,
  type TestService,
} from '../support/test-service.ts';

let app: TestService;
beforeEach(() => {
  app = startTestService();
});
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const widen = { method: 'hypercloning', to: { hidden: 48 }, options: {}, seed: 3, dtype: 'keep' } as const;
const deepen = { method: 'identity', to: { layers: 4 }, options: {}, seed: 3, dtype: 'keep' } as const;
const recipe = [widen, deepen];

const createTestRun = async (name: string): Promise<string> => {
  const dir = join(app.dir, name);
  await createRun(dir, {
    name: 'A run',
    checkpoint: exampleCheckpoint,
    data: [app.textFile],
    settings: trainingSettings(),
  });
  return dir;
};

/** A run without an engine that has saved the weights of the example as step 6. */
async function createSavedRun(): Promise<string> {
  const dir = await createTestRun('a-run');
  await saveStep(dir, 6, async (temporary) => {
    cpSync(exampleCheckpoint, join(temporary, 'model'), { recursive: true });
    writeFileSync(join(temporary, 'step.json'), '{}');
    await Promise.resolve();
  });
  await (await openSession(dir)).close();
  return dir;
}

describe('a recipe', () => {
  it('becomes one plan and one job', async () => {
    const { api } = app.service;
    const plan = await api.planGrowth({ dir: exampleCheckpoint, request: recipe });
    const out = join(app.dir, 'grown');
    expect(plan).toMatchObject({
      format: 'cambium-plan',
      version: 3,
      source: { name: 'llama-tied-gqa', family: 'llama' },
      stages: [{ to: { hidden: 48, layers: 2 } }, { to: { hidden: 48, layers: 4 } }],
    });
    expect(plan.source.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    const first = await api.planGrowth({ dir: exampleCheckpoint, request: widen });
    expect(first.stages).toEqual(plan.stages.slice(0, 1));
    const job = await api.startGrowth({ source: exampleCheckpoint, out, request: recipe, device: 'cpu' });
    const events = await collectAll(api.followGrowth({ id: job.id }));
    expect(events.filter((e) => e.type === 'tensor')).toHaveLength(plan.stages[1]!.tensors.length);
  });

  it('that is impossible is refused before a job starts', async () => {
    const { api } = app.service;
    const request = [widen, { ...widen, to: { hidden: 50 } }];
    const out = join(app.dir, 'grown');
    const started = api.startGrowth({ source: exampleCheckpoint, out, request, device: 'cpu' });
    expect(await errorCodeOf(started)).toBe('growth/not-a-multiple');
    expect(await api.jobs({})).toEqual([]);
  });
});

describe('a saved plan', () => {
  it('is applied to the checkpoint that it was made for', async () => {
    const { api } = app.service;
    const plan = await api.planGrowth({ dir: exampleCheckpoint, request: recipe });
    expect(await api.checkPlan({ dir: exampleCheckpoint, plan })).toEqual({});
    const job = await api.startGrowth({
      source: exampleCheckpoint,
      out: join(app.dir, 'grown'),
      plan: JSON.parse(JSON.stringify(plan)) as typeof plan,
      device: 'cpu',
    });
    await collectAll(api.followGrowth({ id: job.id }));
    expect(existsSync(join(app.dir, 'grown', 'config.json'))).toBe(true);
    const copy = join(app.dir, 'copy');
    cpSync(exampleCheckpoint, copy, { recursive: true });
    expect(await api.checkPlan({ dir: copy, plan })).toEqual({});
  });

  it('is refused for another checkpoint', async () => {
    const { api } = app.service;
    const plan = await api.planGrowth({ dir: exampleCheckpoint, request: recipe });
    const otherWeights = { ...plan, source: { ...plan.source, fingerprint: 'another' } };
    const checked = api.checkPlan({ dir: exampleCheckpoint, plan: otherWeights });
    expect(await errorCodeOf(checked)).toBe('growth/other-source');
    const source = join(exampleCheckpoint, '..', 'gpt2-tied');
    const started = api.startGrowth({ source, out: join(app.dir, 'x'), plan, device: 'cpu' });
    expect(await errorCodeOf(started)).toBe('growth/other-source');
  });

  it('is refused if it is invalid, or given together with a request', async () => {
    const { api } = app.service;
    const plan = await api.planGrowth({ dir: exampleCheckpoint, request: recipe });
    const checked = api.checkPlan({ dir: exampleCheckpoint, plan: { ...plan, stages: [] } });
    expect(await errorCodeOf(checked)).toBe('growth/bad-plan');
    const job = { source: exampleCheckpoint, out: 'x', device: 'cpu' };
    for (const growth of [{}, { plan, request: recipe }])
      expect(growJob.safeParse({ ...job, ...growth }).success).toBe(false);
  });
});

describe('the growth of a run', () => {
  it('uses its newest saved step and its name, and does not list it as a checkpoint', async () => {
    const { api } = app.service;
    const run = await createSavedRun();
    const summary = await api.openRun({ id: run });
    expect(summary).toMatchObject({
      name: 'A run, step 6',
      family: 'llama',
      dir: join(run, 'checkpoints', 'step-000006', 'model'),
    });
    expect((await api.checkpoints({})).map(({ dir }) => dir)).not.toContain(summary.dir);
    expect((await api.planGrowth({ dir: run, request: recipe })).source.name).toBe('A run, step 6');
    const out = join(app.dir, 'grown');
    const job = await api.startGrowth({ source: run, out, request: recipe, device: 'cpu' });
    expect(job.title).toBe('Growing A run, step 6 into grown');
    await collectAll(api.followGrowth({ id: job.id }));
  });

  it('is refused before the first save and during training', async () => {
    const { api } = app.service;
    const unsaved = await createTestRun('unsaved');
    expect(await errorCodeOf(api.openRun({ id: unsaved }))).toBe('run/no-checkpoint');
    const run = await createSavedRun();
    const session = await openSession(run);
    await session.setState('running');
    const out = join(app.dir, 'grown');
    const started = api.startGrowth({ source: run, out, request: recipe, device: 'cpu' });
    expect(await errorCodeOf(started)).toBe('run/already-running');
    await session.close();
  });
});
