/** @file The command line as a process, with the real engine. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createWebSocketChannel } from '../../../src-main/base/transports.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import type { RunSummary } from '../../../src-main/contract/schema.ts';
import { service } from '../../../src-main/contract/service.ts';
import { summarizeRun } from '../../../src-main/store/run/runs.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { root, waitUntil } from '../../support/test-service.ts';

const dir = mkdtempSync(join(tmpdir(), 'cambium-cli-'));
const text = join(dir, 'text.txt');
const children: ChildProcess[] = [];
let model = '';
beforeAll(async () => {
  writeFileSync(text, 'the cat sat on the mat and looked at the moon. '.repeat(400));
  model = await makeTinyCheckpoint('llama', { dir: join(dir, 'model'), tokenizer: true });
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

type Json = RunSummary & Record<string, unknown>;
interface Result {
  readonly code: number | null;
  readonly err: string;
  /** The JSON object on the last line of standard output. */
  readonly last: () => Json;
}

function cambium(...argv: readonly string[]): { child: ChildProcess; ended: Promise<Result> } {
  const child = spawn(process.execPath, [join(root, 'src-main/entry/node/cli.ts'), ...argv], {
    env: { ...process.env, CAMBIUM_HOME: join(dir, 'home') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    out += part;
  });
  child.stderr!.setEncoding('utf8').on('data', (part: string) => {
    err += part;
  });
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    err,
    last: () => JSON.parse(out.trimEnd().split('\n').at(-1)!) as Json,
  }));
  return { child, ended };
}

/** Trains into the folder `name` for longer than the test runs. */
function train(name: string, ...more: readonly string[]): ReturnType<typeof cambium> {
  const length = ['--tokens', '5M', '--micro-batch', '2', '--context-length', '16'];
  const atTheEnd = ['--save-every', '0', '--evaluate-every', '0', '--sample-every', '0'];
  const files = ['--data', text, '--out', join(dir, name)];
  return cambium('train', model, ...files, ...length, ...atTheEnd, '--device', 'cpu', '--json', ...more);
}

const summarize = (name: string): Promise<RunSummary> => summarizeRun(join(dir, name));
const waitForSteps = (name: string): Promise<void> =>
  waitUntil(
    () =>
      summarize(name).then(
        ({ step }) => step >= 3,
        () => false,
      ),
    30_000,
  );
const stop = async (name: string): Promise<Json> =>
  (await cambium('stop', join(dir, name), '--json').ended).last();

describe('the command line as a process', { timeout: 60_000 }, () => {
  it('stops and saves at Ctrl+C with exit code 130; `resume` continues', async () => {
    const { child, ended } = train('one');
    await waitForSteps('one');
    child.kill('SIGINT');
    const { code, last } = await ended;
    expect(code).toBe(130);
    const stopped = last();
    expect(stopped).toMatchObject({ state: 'paused' });
    expect(stopped.savedStep).toBe(stopped.step);
    expect(await stop('one')).toMatchObject({ error: { code: 'run/not-running' } });
    const resumed = cambium('resume', join(dir, 'one'), '--json');
    await waitUntil(async () => (await summarize('one')).step > stopped.step, 30_000);
    expect(await stop('one')).toMatchObject({ state: 'paused' });
    expect((await resumed.ended).code).toBe(0);
  });

  it('leaves a saved run when it is killed', async () => {
    const { child, ended } = train('two');
    await waitForSteps('two');
    child.kill('SIGKILL');
    await ended;
    await waitUntil(async () => (await summarize('two')).state === 'paused', 15_000);
    const run = await summarize('two');
    expect(run.savedStep).toBe(run.step);
  });

  it('leaves a detached run training, which `stop` stops', async () => {
    const { code, last } = await train('three', '--detach').ended;
    expect(code).toBe(0);
    expect(last()).toMatchObject({ dir: join(dir, 'three') });
    await waitForSteps('three');
    expect((await summarize('three')).state).toBe('running');
    expect(await stop('three')).toMatchObject({ state: 'paused' });
    const { runs } = (await cambium('runs', '--json').ended).last();
    const expected: unknown = expect.objectContaining({ dir: join(dir, 'three'), state: 'paused' });
    expect(runs).toContainEqual(expected);
  });

  it.each([
    ['stdout', ['--help']],
    ['stderr', ['nonsense']],
  ] as const)('ends quietly when the reader of its %s closes', async (stream, argv) => {
    const { child, ended } = cambium(...argv);
    child[stream]!.destroy();
    expect(await ended).toMatchObject({ code: 0, err: '' });
  });

  it('grows, certifies and verifies', async () => {
    const grown = join(dir, 'grown');
    const method = ['--method', 'hypercloning', '--times', 'hidden=2,ffn=2'];
    const options = ['--device', 'cpu', '--json'];
    const { code, last } = await cambium('grow', model, ...method, '--out', grown, ...options).ended;
    expect(code).toBe(0);
    expect(last()).toMatchObject({
      certificate: { verdict: 'passed', promise: 'function-preserving', device: 'cpu' },
    });
    const verify = (checkpoint: string): Promise<Result> =>
      cambium('verify', model, checkpoint, '--text', text, ...options).ended;
    expect((await verify(grown)).last()).toMatchObject({ verdict: 'passed' });
    const other = await makeTinyCheckpoint('llama', { dir: join(dir, 'other'), tokenizer: true, seed: 9 });
    expect((await verify(other)).code).toBe(3);
  });

  it('serves until it is asked to end, and then saves the runs', async () => {
    const { child, ended } = cambium('serve', '--json');
    const [line] = (await once(child.stdout!, 'data')) as [string];
    const { port, token } = JSON.parse(line) as { port: number; token: string };
    const socket = new WebSocket(`ws://127.0.0.1:${port}/rpc`, ['cambium', `cambium.${token}`]);
    const api = connect(service, createWebSocketChannel(socket as never));
    await api.startRun({
      checkpoint: model,
      data: [text],
      out: join(dir, 'four'),
      settings: {
        ...trainingDefaults,
        tokens: 5e6,
        microBatch: 2,
        contextLength: 16,
        saveEvery: 0,
        evaluateEvery: 0,
        sampleEvery: 0,
        device: 'cpu',
      },
    });
    await waitForSteps('four');
    socket.terminate();
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    const run = await summarize('four');
    expect(run).toMatchObject({ state: 'paused', savedStep: run.step });
  });
});
