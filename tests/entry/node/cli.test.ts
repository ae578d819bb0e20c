import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../src-main/contract/schema.ts';
import { summarizeRun } from '../../../src-main/store/run/runs.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { root, waitUntil } from '../../support/test-service.ts';

const dir = mkdtempSync(join(tmpdir(), 'cambium-cli-'));
const text = join(dir, 'text.txt');
const alive: ChildProcess[] = [];
let model = '';
beforeAll(async () => {
  writeFileSync(text, 'the cat sat on the mat and looked at the moon. '.repeat(400));
  model = await makeTinyCheckpoint('llama', { dir: join(dir, 'model'), tokenizer: true });
});
afterAll(() => {
  for (const child of alive) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

/** The command line as a process of its own, with the real engine. */
function cambium(...argv: string[]): {
  child: ChildProcess;
  ended: Promise<{ code: number | null; last: () => RunSummary & Record<string, unknown>; err: string }>;
} {
  const child = spawn(process.execPath, [join(root, 'src-main/entry/node/cli.ts'), ...argv], {
    env: { ...process.env, CAMBIUM_HOME: join(dir, 'home') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  alive.push(child);
  let out = '';
  let err = '';
  child.stdout!.setEncoding('utf8').on('data', (t: string) => {
    out += t;
  });
  child.stderr!.setEncoding('utf8').on('data', (t: string) => {
    err += t;
  });
  return {
    child,
    ended: once(child, 'close').then(([code]) => ({
      code: code as number | null,
      err,
      last: () => JSON.parse(out.trimEnd().split('\n').at(-1)!) as RunSummary & Record<string, unknown>,
    })),
  };
}
const train = (run: string, ...more: string[]) =>
  cambium(
    'train',
    model,
    '--data',
    text,
    '--out',
    join(dir, run),
    '--tokens',
    '5M',
    '--batch',
    '2',
    '--sequence',
    '16',
    '--save-every',
    '0',
    '--evaluate-every',
    '0',
    '--sample-every',
    '0',
    '--device',
    'cpu',
    '--json',
    ...more,
  );
const trained = (run: string) =>
  waitUntil(
    async () =>
      summarizeRun(join(dir, run)).then(
        (card) => card.step >= 3,
        () => false,
      ),
    30_000,
  );

describe('the command line as a process', { timeout: 60_000 }, () => {
  it('stops and saves at Ctrl+C, with 130; then `stop` has nothing to do and `resume` goes on', async () => {
    const { child, ended } = train('one');
    await trained('one');
    child.kill('SIGINT');
    const { code, last } = await ended;
    expect(code).toBe(130);
    expect(last()).toMatchObject({ state: 'paused' });
    expect(last().savedStep).toBe(last().step);
    expect((await cambium('stop', join(dir, 'one'), '--json').ended).last()).toMatchObject({
      error: { code: 'run/not-running' },
    });
    const again = cambium('resume', join(dir, 'one'), '--json');
    await waitUntil(async () => (await summarizeRun(join(dir, 'one'))).step > last().step, 30_000);
    expect((await cambium('stop', join(dir, 'one'), '--json').ended).last()).toMatchObject({
      state: 'paused',
    });
    expect((await again.ended).code).toBe(0);
  });

  it('leaves a saved run behind when it is killed itself', async () => {
    const { child, ended } = train('two');
    await trained('two');
    child.kill('SIGKILL');
    await ended;
    await waitUntil(async () => (await summarizeRun(join(dir, 'two'))).state === 'paused', 15_000);
    const card = await summarizeRun(join(dir, 'two'));
    expect(card.savedStep).toBe(card.step);
  });

  it('leaves a detached run training, which `stop` stops', async () => {
    const { code, last } = await train('three', '--detach').ended;
    expect(code).toBe(0);
    expect(last()).toMatchObject({ dir: join(dir, 'three') });
    await trained('three');
    expect((await summarizeRun(join(dir, 'three'))).state).toBe('running');
    const stopped = (await cambium('stop', join(dir, 'three'), '--json').ended).last();
    expect(stopped).toMatchObject({ state: 'paused' });
    expect((await cambium('runs', '--json').ended).last()).toMatchObject({
      runs: expect.arrayContaining([
        expect.objectContaining({ dir: join(dir, 'three'), state: 'paused' }),
      ]) as unknown[],
    });
  });

  it.each([
    ['stdout', ['--help']],
    ['stderr', ['nonsense']],
  ] as const)('ends quietly when the reader of its %s has gone', async (stream, argv) => {
    const { child, ended } = cambium(...argv);
    child[stream]!.destroy();
    expect(await ended).toMatchObject({ code: 0, err: '' });
  });

  it('grows, proves and verifies with the real engine', async () => {
    const grown = join(dir, 'grown');
    const { code, last } = await cambium(
      'grow',
      model,
      '--method',
      'hypercloning',
      '--times',
      'hidden=2,ffn=2',
      '--out',
      grown,
      '--device',
      'cpu',
      '--json',
    ).ended;
    expect([code, last()]).toMatchObject([
      0,
      { certificate: { passed: true, promise: 'exact', device: 'cpu' } },
    ]);
    expect(
      (await cambium('verify', model, grown, '--text', text, '--device', 'cpu', '--json').ended).last(),
    ).toMatchObject({ passed: true });
    const other = await makeTinyCheckpoint('llama', { dir: join(dir, 'other'), tokenizer: true, seed: 9 });
    expect(
      (await cambium('verify', model, other, '--text', text, '--device', 'cpu', '--json').ended).code,
    ).toBe(3);
  });

  it('serves, keeps what trains, and saves it when it is told to end', async () => {
    const { child, ended } = cambium('serve', '--json');
    const first = (await once(child.stdout!, 'data')) as [string];
    const { port, token } = JSON.parse(first[0]) as { port: number; token: string };
    const { WebSocket } = await import('ws');
    const { createWebSocketChannel: webSocketChannel } = await import('../../../src-main/base/transports.ts');
    const { connect } = await import('../../../src-main/contract/connect.ts');
    const { service } = await import('../../../src-main/contract/service.ts');
    const { trainingDefaults } = await import('../../../src-main/train/settings.ts');
    const socket = new WebSocket(`ws://127.0.0.1:${port}/rpc`, ['cambium', `cambium.${token}`]);
    const api = connect(service, webSocketChannel(socket as never));
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
    await trained('four');
    socket.terminate();
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    const card = await summarizeRun(join(dir, 'four'));
    expect(card).toMatchObject({ state: 'paused', savedStep: card.step });
  });
});
