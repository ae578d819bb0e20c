/** @file The queue and the checkpoints of runs on the command line, with the real engine. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceQueue } from '../../../src-main/contract/queue.ts';
import type { RunCheckpoint, RunSummary } from '../../../src-main/contract/schema.ts';
import { stopServer } from '../../../src-main/entry/node/background.ts';
import { summarizeRun } from '../../../src-main/store/run/runs.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { root, startEngineTestService, waitUntil } from '../../support/test-service.ts';
import { runCommand, type CommandResult } from './run-command.ts';

/** Milliseconds for several processes on a busy machine. */
const patience = 600_000;

/** A home whose commands run in this process, with real engines. */
const app = startEngineTestService();
const home = join(app.dir, 'home');
const text = join(app.dir, 'words.txt');
const children: ChildProcess[] = [];
let model = '';
beforeAll(async () => {
  writeFileSync(text, 'the cat sat on the mat and looked at the moon. '.repeat(400));
  model = await makeTinyCheckpoint('llama', { dir: join(app.dir, 'model'), tokenizer: true });
});
afterAll(async () => {
  await stopServer(home, new AbortController().signal);
  for (const child of children) child.kill('SIGKILL');
  await app.service.close();
  await app.cleanUp();
});

const cambium = (...argv: readonly string[]): Promise<CommandResult> => runCommand(app, [...argv, '--json']);

/** Runs a command as a process, which can start the background server. */
function spawnCambium(...argv: readonly string[]) {
  const child = spawn(process.execPath, [join(root, 'src-main/entry/node/cli.ts'), ...argv, '--json'], {
    env: { ...process.env, CAMBIUM_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    out += part;
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    err += part;
  });
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    last: () => JSON.parse(out.trimEnd().split('\n').at(-1)!) as RunSummary,
  }));
  return { child, ended, err: () => err };
}

const pathOf = (name: string): string => join(app.dir, name);
const trainArguments = (name: string, ...more: readonly string[]): readonly string[] => {
  const length = ['--micro-batch', '2', '--context-length', '16', '--sample-every', '0'];
  const files = ['--data', text, '--out', pathOf(name), '--device', 'cpu', '--threads', '1'];
  return ['train', model, ...files, ...length, ...more];
};
const stateOf = async (name: string): Promise<string> => (await summarizeRun(pathOf(name))).state;
const waitForState = (name: string, state: string): Promise<void> =>
  waitUntil(async () => (await stateOf(name)) === state, patience);
const waitingIn = (result: CommandResult): readonly string[] =>
  result
    .last<{ readonly queues: readonly DeviceQueue[] }>()
    .queues.flatMap(({ waiting }) => waiting.map(({ name }) => name));

describe.skipIf(process.platform === 'win32')('cambium train --queue', () => {
  const endless = ['--tokens', '50M', '--save-every', '0', '--evaluate-every', '0', '--queue'];

  it(
    'waits for the device, is reordered, and is started by the background server',
    async () => {
      const first = await cambium(...trainArguments('one', ...endless, '--detach'));
      expect(first.last()).toMatchObject({ state: 'running' });
      const second = await spawnCambium(...trainArguments('two', ...endless, '--detach')).ended;
      expect(second.last()).toMatchObject({ state: 'waiting', queue: { device: 'cpu', position: 1 } });

      const followed = spawnCambium(...trainArguments('three', ...endless, 'first'));
      await waitUntil(() => followed.err().includes('three: waiting, 1st for cpu'), patience);
      expect(waitingIn(await cambium('queue'))).toEqual(['three', 'two']);
      expect(waitingIn(await cambium('queue', 'move', 'two', 'first'))).toEqual(['two', 'three']);
      expect((await cambium('queue', 'move', 'two', 'sideways')).code).toBe(2);
      followed.child.kill('SIGINT');
      expect((await followed.ended).code).toBe(130);
      expect(await stateOf('three')).toBe('paused');

      expect((await cambium('stop', pathOf('one'))).last()).toMatchObject({ state: 'paused' });
      await waitForState('two', 'running');
      expect(waitingIn(await cambium('queue'))).toEqual([]);
      expect((await cambium('queue', 'remove', 'two')).last()).toMatchObject({
        error: { code: 'queue/not-waiting' },
      });
      await cambium('stop', pathOf('two'));
    },
    patience,
  );
});

describe('cambium checkpoints', () => {
  const short = [
    '--tokens',
    String(8 * 32),
    '--save-every',
    '2',
    '--keep-every',
    '2',
    '--evaluate-every',
    '2',
  ];
  type Found = { readonly checkpoints: readonly RunCheckpoint[] };
  const stepsOf = (result: CommandResult): readonly number[] =>
    result.last<Found>().checkpoints.map(({ step }) => step);

  it(
    'lists and deletes the saved steps; resume and export take any of them',
    async () => {
      await cambium(...trainArguments('saved', ...short));
      const run = pathOf('saved');
      const listed = await cambium('checkpoints', run);
      expect(stepsOf(listed)).toEqual([8, 6, 4, 2]);
      const { checkpoints } = listed.last<Found>();
      expect(checkpoints.every(({ bytes, heldOutLoss }) => bytes > 1000 && heldOutLoss !== null)).toBe(true);
      expect(checkpoints.map(({ isNeeded }) => isNeeded)).toEqual([true, false, false, false]);

      expect(stepsOf(await cambium('checkpoints', run, '--delete', '6'))).toEqual([8, 4, 2]);
      const needed = await cambium('checkpoints', run, '--delete', '8');
      expect(needed).toMatchObject({ code: 1 });
      expect(needed.last()).toMatchObject({ error: { code: 'run/needed-checkpoint' } });
      const absent = await cambium('export', run, '--step', '6', '--out', pathOf('none'));
      expect(absent.last()).toMatchObject({ error: { code: 'run/no-step' } });

      expect((await cambium('export', run, '--step', '2', '--out', pathOf('exported'))).code).toBe(0);
      const record = JSON.parse(readFileSync(join(pathOf('exported'), 'training.json'), 'utf8')) as object;
      expect(record).toMatchObject({ step: 2 });

      const resumed = await cambium('resume', run, '--from', '4');
      expect(resumed.last()).toMatchObject({ state: 'finished', step: 8, savedStep: 8 });
      expect(stepsOf(await cambium('checkpoints', run))).toEqual([8, 6, 4, 2]);
    },
    patience,
  );
});
