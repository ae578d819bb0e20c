/**
 * @file Plans and sources of growths at the service: recipes, saved plans checked against what they are for,
 * runs grown from their newest step.
 */
import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { growJob } from '../../src-main/contract/schema.ts';
import { createRun, openSession, saveStep } from '../../src-main/store/run/runs.ts';
import { collectAll, errorCodeOf, exampleCheckpoint, trainingSettings, startTestService, type TestService } from '../support/test-service.ts';

let place: TestService;
beforeEach(() => {
  place = startTestService();
});
afterEach(async () => {
  await place.service.close();
  await place.cleanUp();
});
const stages = [
  { method: 'hypercloning', to: { hidden: 48 }, options: {}, seed: 3, dtype: 'keep' },
  { method: 'identity', to: { layers: 4 }, options: {}, seed: 3, dtype: 'keep' },
] as const;
const recipe = stages.map((stage) => ({ ...stage }));

/** A run that has saved a step, with the weights of the example. */
async function savedRun(): Promise<string> {
  const dir = join(place.dir, 'a-run');
  await createRun(dir, { name: 'A run', checkpoint: exampleCheckpoint, data: [place.textFile], settings: trainingSettings() });
  await saveStep(dir, 6, async (temporary) => {
    cpSync(exampleCheckpoint, join(temporary, 'model'), { recursive: true });
    writeFileSync(join(temporary, 'step.json'), '{}');
    await Promise.resolve();
  });
  await (await openSession(dir)).close(); // nobody is at it
  return dir;
}

describe('a recipe', () => {
  it('is planned as one and grown as one job', async () => {
    const { api } = place.service;
    const plan = await api.planGrowth({ dir: exampleCheckpoint, request: recipe });
    const out = join(place.dir, 'grown');
    expect(plan).toMatchObject({
      format: 'cambium-plan',
      version: 2,
      source: { name: 'llama-tied-gqa', family: 'llama' },
      stages: [{ to: { hidden: 48, layers: 2 } }, { to: { hidden: 48, layers: 4 } }],
    });
    expect(plan.source.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect((await api.planGrowth({ dir: exampleCheckpoint, request: recipe[0]! })).stages).toEqual(
      plan.stages.slice(0, 1),
    );
    const job = await api.startGrowth({ source: exampleCheckpoint, out, request: recipe, device: 'cpu' });
    expect(
      (await collectAll(api.followGrowth({ id: job.id }))).filter((e) => e.type === 'tensor'),
    ).toHaveLength(plan.stages[1]!.tensors.length);
  });

  it('that cannot be is refused before a job begins', async () => {
    const { api } = place.service;
    const impossible = [recipe[0]!, { ...recipe[0]!, to: { hidden: 50 } }];
    expect(
      await errorCodeOf(
        api.startGrowth({
          source: exampleCheckpoint,
          out: join(place.dir, 'grown'),
          request: impossible,
          device: 'cpu',
        }),
      ),
    ).toBe('growth/not-a-multiple');
    expect(await api.jobs({})).toEqual([]);
  });
});

describe('a saved plan', () => {
  it('is carried out for what it was made for, and refused for anything else', async () => {
    const { api } = place.service;
    const plan = await api.planGrowth({ dir: exampleCheckpoint, request: recipe });
    const other = join(place.dir, 'other');
    expect(await api.checkPlan({ dir: exampleCheckpoint, plan })).toEqual({});
    const job = await api.startGrowth({
      source: exampleCheckpoint,
      out: join(place.dir, 'grown'),
      plan: JSON.parse(JSON.stringify(plan)) as typeof plan,
      device: 'cpu',
    });
    await collectAll(api.followGrowth({ id: job.id }));
    expect(existsSync(join(place.dir, 'grown', 'config.json'))).toBe(true);
    cpSync(exampleCheckpoint, other, { recursive: true });
    expect(await api.checkPlan({ dir: other, plan })).toEqual({});
    expect(
      await errorCodeOf(
        api.checkPlan({ dir: other, plan: { ...plan, source: { ...plan.source, fingerprint: 'another' } } }),
      ),
    ).toBe('growth/other-source');
    expect(
      await errorCodeOf(
        api.startGrowth({
          source: join(exampleCheckpoint, '..', 'gpt2-tied'),
          out: join(place.dir, 'x'),
          plan,
          device: 'cpu',
        }),
      ),
    ).toBe('growth/other-source');
    expect(await errorCodeOf(api.checkPlan({ dir: exampleCheckpoint, plan: { ...plan, stages: [] } }))).toBe(
      'growth/bad-plan',
    );
    for (const what of [{}, { plan, request: recipe }])
      expect(growJob.safeParse({ source: exampleCheckpoint, out: 'x', device: 'cpu', ...what }).success).toBe(false);
  });
});

describe('a run', () => {
  it('is grown from its newest saved step, under its own name, and not remembered as a checkpoint', async () => {
    const { api } = place.service;
    const run = await savedRun();
    const card = await api.openRun({ id: run });
    expect(card).toMatchObject({
      name: 'A run, step 6',
      family: 'llama',
      dir: join(run, 'checkpoints', 'step-000006', 'model'),
    });
    expect((await api.checkpoints({})).map((known) => known.dir)).not.toContain(card.dir);
    expect((await api.planGrowth({ dir: run, request: recipe })).source.name).toBe('A run, step 6');
    const job = await api.startGrowth({
      source: run,
      out: join(place.dir, 'grown'),
      request: recipe,
      device: 'cpu',
    });
    expect(job.title).toBe('Growing A run, step 6 into grown');
    await collectAll(api.followGrowth({ id: job.id }));
  });

  it('that trains, or has saved nothing, is refused', async () => {
    const { api } = place.service;
    const run = await savedRun();
    const empty = join(place.dir, 'empty');
    await createRun(empty, { name: 'empty', checkpoint: exampleCheckpoint, data: [place.textFile], settings: trainingSettings() });
    expect(await errorCodeOf(api.openRun({ id: empty }))).toBe('run/no-checkpoint');
    const session = await openSession(run);
    await session.setState('running');
    expect(
      await errorCodeOf(
        api.startGrowth({ source: run, out: join(place.dir, 'grown'), request: recipe, device: 'cpu' }),
      ),
    ).toBe('run/already-running');
    await session.close();
  });
});
