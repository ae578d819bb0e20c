/** @file The answers of the service are those of the contract, as a caller of a remote host checks them. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { answers } from '../../src-main/contract/answers/index.ts';
import { service, type Service } from '../../src-main/contract/service.ts';
import { checkAnswers } from '../support/check-answers.ts';
import {
  collectAll,
  exampleCheckpoint,
  root,
  startTestService,
  trainingSettings,
  type TestService,
} from '../support/test-service.ts';

let app: TestService;
const start = (): Service => {
  app = startTestService();
  copyFileSync(join(root, 'resources/devices.json'), join(app.dir, 'resources/devices.json'));
  return checkAnswers(app.service.api);
};
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const growth = { method: 'hypercloning', to: { hidden: 64 }, options: {}, seed: 0, dtype: 'keep' } as const;

describe('the answers of the service', () => {
  it('have a schema for each procedure', () => {
    start();
    expect(Object.keys(answers).toSorted()).toEqual(Object.keys(service).toSorted());
  });

  it('about this computer pass, and lose no field', async () => {
    const api = start();
    await api.about({});
    await api.devices({});
    await api.appSettings({});
    await api.doctor({});
    await api.diagnostics({});
    await api.gpuStatus({});
    await api.listFolder({ dir: app.dir });
    await api.costs({});
    await api.checkpoints({});
    await api.jobs({});
    expect((await api.trashedRuns({})).length).toBe(0);
  });

  it('about checkpoints and growths pass, and lose no field', async () => {
    const api = start();
    const { dims } = await api.openCheckpoint({ dir: exampleCheckpoint });
    const request = { ...growth, to: { hidden: 2 * dims['hidden']! } };
    await api.planGrowth({ dir: exampleCheckpoint, request });
    await api.checkCheckpoint({ dir: exampleCheckpoint, device: 'cpu' });
    const out = join(app.dir, 'grown');
    const { id } = await api.startGrowth({ source: exampleCheckpoint, out, request, device: 'cpu' });
    expect((await collectAll(api.followGrowth({ id }))).at(-1)).toMatchObject({ type: 'done' });
    await api.lineage({});
    await api.estimate({ dir: exampleCheckpoint, training: trainingSettings(), grow: request });
  });

  it('about runs pass, and lose no field', async () => {
    const api = start();
    const run = await api.startRun({
      checkpoint: exampleCheckpoint,
      data: [app.textFile],
      settings: trainingSettings(),
    });
    expect((await collectAll(api.followRun({ id: run.id, from: 0 }))).length).toBeGreaterThan(10);
    await api.runs({});
    await api.runHistory({ id: run.id });
    await api.runCost({ id: run.id });
    for await (const { runs } of api.activity({})) {
      expect(runs).toHaveLength(1);
      break;
    }
  });
});
