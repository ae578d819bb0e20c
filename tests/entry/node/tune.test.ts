/** @file The command tune, and train with the values that it found. */
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredTuning } from '../../../src-main/contract/tune.ts';
import { root, startTestService, waitUntil, type TestService } from '../../support/test-service.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { runCommand, type CommandResult } from './run-command.ts';

const checkpoint = makeTinyCheckpoint('llama', { tokenizer: true });
let app: TestService;
beforeEach(() => {
  app = startTestService();
});
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const cambium = (...argv: readonly string[]): Promise<CommandResult> => runCommand(app, argv);
const small = ['--micro-batch', '1', '--context-length', '10', '--tokens', '100'];
const tune = async (...more: readonly string[]): Promise<CommandResult> =>
  cambium(
    'tune',
    await checkpoint,
    '--data',
    app.textFile,
    '--out',
    join(app.dir, 'tuning'),
    ...small,
    ...more,
  );

describe('tune', () => {
  it('prints an estimate before the start, and with --plan starts nothing', async () => {
    cpSync(join(root, 'resources', 'devices.json'), join(app.dir, 'resources', 'devices.json'));
    const { code, out } = await tune('--trials', '5', '--plan');
    expect(code).toBe(0);
    expect(out).toContain('Trials       at most 5');
    // Three whole trials, and two that end after three of ten steps.
    expect(out).toContain('Tokens       360–500, over all trials');
    expect(existsSync(join(app.dir, 'tuning'))).toBe(false);
  });

  it('waits with --queue while the device is held, and says where', async () => {
    await cambium('queue', 'hold', 'cpu');
    const waiting = tune('--device', 'cpu', '--queue');
    await waitUntil(async () => (await cambium('queue')).out.includes('tuning'), 30_000);
    await cambium('queue', 'release', 'cpu');
    const { code, err } = await waiting;
    expect(code).toBe(0);
    expect(err).toContain('waiting, 1st for cpu');
  });

  it('prints the trials and the best values, and has all of them with --json', async () => {
    const { code, out } = await tune('--lr', '0.002');
    expect(code).toBe(0);
    expect(out).toMatch(/^Trial +Model +learning rate/m);
    expect(out).toContain('Best: learning rate 0.0020,');
    expect(out).toContain(join(app.dir, 'tuning'));
    const { code: again, last } = await cambium('tune', '--resume', join(app.dir, 'tuning'), '--json');
    expect(again).toBe(1);
    expect(last()).toMatchObject({ error: { code: 'tune/finished' } });
  });

  it('takes a growth, the numbers of trials and the settings from flags', async () => {
    const growth = ['--method', 'hypercloning', '--times', 'hidden=2,ffn=2'];
    const trials = ['--trials', '9', '--transfer-trials', '3', '--coordinate-check', '--seed', '7'];
    const { code, last } = await tune(...growth, ...trials, '--json');
    expect(code).toBe(0);
    const { tuning } = last<StoredTuning>();
    expect(tuning).toMatchObject({
      budget: { source: 9, target: 3 },
      wantsCoordinateCheck: true,
      target: { width: 32 },
      settings: { seed: 7, contextLength: 10, tokens: 100 },
      grow: [{ method: 'hypercloning', to: { hidden: 32, ffn: 48 } }],
    });
  });

  it.each([
    [['--trials', 'many'], /--trials/],
    [['--method', 'nothing', '--times', 'hidden=2'], /is not a method/],
    [['--resume', 'folder'], /either the folder of a checkpoint, or a tuning/],
    [['--trials', '0'], /trials or for a coordinate check/],
  ])('refuses %j', async (flags, message) => {
    const { code, err } = await tune(...flags);
    expect(code).not.toBe(0);
    expect(err).toMatch(message);
    expect(existsSync(join(app.dir, 'tuning'))).toBe(false);
  });
});

describe('train --tuned', () => {
  const run = (): string => join(app.dir, 'run');
  const train = async (...more: readonly string[]): Promise<CommandResult> =>
    cambium('train', await checkpoint, '--data', app.textFile, '--out', run(), ...small, '--json', ...more);

  it('uses the values of the tuning, unless a flag gives another', async () => {
    await tune('--lr', '0.002', '--weight-decay', '0.3');
    const { code, last } = await train(
      '--tuned',
      join(app.dir, 'tuning', 'tune.json'),
      '--weight-decay',
      '0.2',
    );
    expect(code).toBe(0);
    expect(last()).toMatchObject({ settings: { lr: 0.002, weightDecay: 0.2, warmupSteps: 1 } });
    expect(JSON.stringify(last())).toContain('hidden=16');
  });

  it('refuses a folder without a tuning', async () => {
    const { code, last } = await train('--tuned', app.dir);
    expect(code).toBe(1);
    expect(last()).toMatchObject({ error: { code: 'tune/not-found' } });
  });
});
