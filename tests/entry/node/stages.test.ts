/** @file The command train --stages, with a real engine. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RunSummary } from '../../../src-main/contract/schema.ts';
import { startEngineTestService, type TestService } from '../../support/test-service.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { runCommand } from './run-command.ts';

const checkpoint = makeTinyCheckpoint('llama', { tokenizer: true });
let app: ReturnType<typeof startEngineTestService>;
beforeEach(() => {
  app = startEngineTestService();
  process.env['CAMBIUM_HOME'] = join(app.dir, 'home');
});
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
  delete process.env['CAMBIUM_HOME'];
});

const train = async (stages: unknown) => {
  const file = join(app.dir, 'stages.json');
  writeFileSync(file, JSON.stringify(stages));
  const small = ['--micro-batch', '1', '--context-length', '10', '--tokens', '60', '--device', 'cpu'];
  const argv = ['train', await checkpoint, '--data', app.textFile, '--out', join(app.dir, 'run')];
  return runCommand(app as unknown as TestService, [...argv, ...small, '--stages', file, '--json']);
};

it('grows while it trains, and reports where each stage began', async () => {
  const grow = [{ method: 'hypercloning', times: { hidden: 2, ffn: 2 } }];
  const { code, last } = await train([{ until: { tokens: 30 } }, { grow }]);
  expect(code).toBe(0);
  const run = last<RunSummary>();
  expect(run.state).toBe('finished');
  expect(run.stageStarts!.map(({ tokens }) => tokens)).toEqual([0, 30]);
});

it('refuses a file of stages that grows nothing, and creates no run', async () => {
  const { code, err } = await train([{ until: { tokens: 30 } }, {}]);
  expect(code).toBe(1);
  expect(err).toContain('stage 2: the stage does not say how the model grows');
});
