import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { PushEvent } from '../../../src-main/model/hub.ts';
import { recordPaths } from '../../../src-main/model/records.ts';
import { planPush, pushExport } from '../../../src-main/store/hub/push.ts';
import { pushApart } from '../../../src-main/store/hub/workers.ts';
import { refusal } from '../../support/refusal.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { client, secret, server, withServer } from './workbench.ts';

withServer();
afterEach(() => {
  server.faults = [];
  server.partBytes = Infinity;
  server.pushed.length = 0;
});
const never = new AbortController().signal;
async function exported(seed = 1): Promise<string> {
  const dir = await makeTinyCheckpoint('llama', {
    dir: join(freshFolder(), 'grown'),
    tokenizer: true,
    shards: 3,
    seed,
  });
  writeFileSync(join(dir, 'README.md'), '# grown');
  writeFileSync(
    join(dir, 'growth.json'),
    JSON.stringify({
      version: 1,
      source: '/home/somebody/private/source',
      method: 'x',
      plan: {},
      certificate: null,
      cambium: '0',
    }),
  );
  writeFileSync(
    join(dir, 'training.json'),
    JSON.stringify({
      version: 1,
      run: '/home/somebody/private/run',
      checkpoint: '/home/somebody/.cache/models--org--oak/snapshots/abc',
      step: 3,
      tokens: 96,
      weights: 'raw',
      cambium: '0',
    }),
  );
  writeFileSync(join(dir, 'loss.svg'), '<svg/>');
  return dir;
}

describe('a push', () => {
  it('tells first what it would do, and changes nothing by that', async () => {
    const dir = await exported(2);
    const hub = client(secret);
    const plan = await planPush(hub, dir, 'grown');
    expect(plan).toMatchObject({
      repo: 'me/grown',
      account: 'me',
      exists: false,
      private: true,
      url: `${server.endpoint}/me/grown`,
    });
    expect(plan.files.map((file) => file.path)).toContain('README.md');
    expect(plan.bytes).toBe(plan.files.reduce((n, file) => n + file.bytes, 0));
    expect(server.models.has('me/grown')).toBe(false);
  });

  it("is one commit in a private repository, large files through LFS, without this computer's paths", async () => {
    const dir = await exported(3);
    const hub = client(secret);
    const events: PushEvent[] = [];
    const done = await pushExport(hub, dir, 'me/first', {
      private: true,
      onEvent: (event) => {
        events.push(event);
      },
    });
    expect(done).toMatchObject({ at: 'done', repo: 'me/first', private: true });
    expect(server.pushed.length).toBe(1);
    const [commit] = server.pushed;
    expect(commit).toMatchObject({ repo: 'me/first', branch: 'main', commit: done.commit });
    expect(server.models.get('me/first')!.private).toBe(true);
    expect([...commit!.lfs].every((name) => name.endsWith('.safetensors'))).toBe(true);
    expect(commit!.lfs.length).toBe(
      [...commit!.files.keys()].filter((name) => name.endsWith('.safetensors')).length,
    );
    for (const [name, bytes] of commit!.files)
      if (!(name in recordPaths)) expect(bytes.equals(readFileSync(join(dir, name))), name).toBe(true);
    expect(JSON.parse(commit!.files.get('growth.json')!.toString())).toMatchObject({ source: 'source' });
    expect(JSON.parse(commit!.files.get('training.json')!.toString())).toEqual({
      version: 1,
      run: 'run',
      checkpoint: 'org/oak',
      step: 3,
      tokens: 96,
      weights: 'raw',
      cambium: '0',
    });
    expect(
      server.seen
        .filter(({ method, at }) => method === 'PUT' && at === 'cdn')
        .every(({ authorization, length }) => authorization === undefined && Number(length) > 0),
    ).toBe(true);
    expect(events.at(-1)).toMatchObject({ at: 'bytes', phase: 'committing' });
  });

  it('sends large files in parts, once each, and none that is there already', async () => {
    const dir = await exported(4);
    const hub = client(secret);
    server.partBytes = 4000;
    server.faults = [{ on: /PUT cdn/, times: 2, status: 503 }];
    await pushApart(hub, { dir, repo: 'me/parts', private: false }, () => undefined, never);
    expect(server.models.get('me/parts')!.private).toBe(false);
    server.seen.length = 0;
    await pushExport(hub, dir, 'me/parts', { private: false });
    expect(server.seen.filter(({ at }) => at === 'cdn')).toEqual([]);
    expect(server.pushed.length).toBe(2);
  });

  it('needs a token that may write, and says so', async () => {
    const dir = await exported();
    await refusal('hub/no-token', () => planPush(client(), dir, 'me/x'));
    expect(
      (await refusal('hub/no-write', () => planPush(client('hf_reader'), dir, 'reader/x'))).message,
    ).toContain('role "write"');
    await refusal('hub/bad-token', () => planPush(client('hf_wrong'), dir, 'me/x'));
    await refusal('hub/no-write', () => pushExport(client(secret), dir, 'somebody/x', { private: true }));
    expect(server.pushed).toEqual([]);
  });

  it('refuses what is no export: folders, runs, optimizer state, tokens, access tokens', async () => {
    const hub = client(secret);
    const spoiled = async (name: string, text = 'x'): Promise<string> => {
      const dir = await exported();
      writeFileSync(join(dir, name), text);
      return dir;
    };
    for (const name of [
      'optimizer.safetensors',
      'optimizer.pt',
      'events.jsonl',
      'train.bin',
      '.env',
      'state.json',
    ])
      expect(
        (await refusal('hub/not-an-export', async () => planPush(hub, await spoiled(name), 'me/x'))).detail[
          'file'
        ],
      ).toBe(name);
    const nested = await exported();
    mkdirSync(join(nested, 'checkpoints'));
    await refusal('hub/not-an-export', () => planPush(hub, nested, 'me/x'));
    const { detail, message } = await refusal('hub/secret', async () =>
      planPush(hub, await spoiled('README.md', `my token is ${secret}`), 'me/x'),
    );
    expect(detail['file']).toBe('README.md');
    expect(message).not.toContain(secret);
    const broken = await exported();
    rmSync(join(broken, 'config.json'));
    await refusal('checkpoint/no-config', () => planPush(hub, broken, 'me/x'));
    await refusal('file/not-found', () => planPush(hub, '/nowhere', 'me/x'));
  });

  it('takes a model as ONNX, and leaves the moments of one that was grown in the middle of a run', async () => {
    const hub = client(secret);
    const whole = await exported(6);
    const onnx = await exported(7);
    mkdirSync(join(whole, 'optimizer'));
    writeFileSync(join(whole, 'optimizer', 'moments.safetensors'), 'x');
    expect((await planPush(hub, whole, 'me/x')).files.map(({ path }) => path)).not.toContainEqual(
      expect.stringMatching(/optimizer|moments/),
    );
    for (const name of readdirSync(onnx)) if (name.includes('safetensors')) rmSync(join(onnx, name));
    await refusal('checkpoint/no-weights', () => planPush(hub, onnx, 'me/x'));
    for (const name of ['model.onnx', 'model.onnx.data']) writeFileSync(join(onnx, name), 'x');
    expect((await planPush(hub, onnx, 'me/x')).files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['config.json', 'model.onnx', 'model.onnx.data']),
    );
  });

  it('stopped or failed before its commit shows nobody anything', async () => {
    const dir = await exported(5);
    const hub = client(secret);
    const stop = new AbortController();
    await refusal('cancelled', () =>
      pushApart(
        hub,
        { dir, repo: 'me/stopped', private: true },
        () => {
          stop.abort();
        },
        stop.signal,
      ),
    );
    server.faults = [{ on: /POST hub .*commit/, times: 1, status: 500 }];
    await refusal('hub/down', () => pushExport(hub, dir, 'me/stopped', { private: true }));
    expect(server.pushed).toEqual([]);
    await pushExport(hub, dir, 'me/stopped', { private: true });
    expect(server.pushed.length).toBe(1);
    expect(server.pushed[0]!.summary).toContain(basename(dir));
  });
});
