import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Certificate } from '../../../src-main/model/certificate.ts';
import type { PushEvent } from '../../../src-main/model/hub.ts';
import { localPathFields } from '../../../src-main/model/records.ts';
import { planPush, planReadyPush, pushExport } from '../../../src-main/store/hub/push.ts';
import { createHub } from '../../../src-main/store/hub/requests.ts';
import { pushInWorker } from '../../../src-main/store/hub/workers.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { certificate as passedCertificate } from '../../support/fake-engine.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { createClient, writeToken, server, useLocalHub } from './local-hub.ts';

useLocalHub();
afterEach(() => {
  server.faults = [];
  server.partBytes = Infinity;
  server.pushes.length = 0;
});
const neverAborted = new AbortController().signal;
/** A certificate that quotes the text it was made on. */
const certificate: Certificate = {
  ...passedCertificate,
  kl: 0.25,
  worst: [
    {
      token: 3,
      position: 3,
      context: 'a private sentence',
      next: ' of',
      topSource: ' of',
      topGrown: ' a',
      maxLogit: 1e-6,
      kl: 0,
      lossSource: 1,
      lossGrown: 1,
    },
  ],
};
/** Writes an export with Cambium's records. */
async function createExport(seed = 1): Promise<string> {
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
      certificate,
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

describe('planPush', () => {
  it('says what a push would do, and changes nothing', async () => {
    const dir = await createExport(2);
    const hub = createClient(writeToken);
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
});

describe('pushExport', () => {
  it('makes one commit, with large files through LFS and without local paths', async () => {
    const dir = await createExport(3);
    const hub = createClient(writeToken);
    const events: PushEvent[] = [];
    const done = await pushExport(hub, dir, 'me/first', {
      private: true,
      onEvent: (event) => {
        events.push(event);
      },
    });
    expect(done).toMatchObject({ type: 'done', repo: 'me/first', private: true });
    expect(server.pushes.length).toBe(1);
    const [commit] = server.pushes;
    expect(commit).toMatchObject({ repo: 'me/first', branch: 'main', commit: done.commit });
    expect(server.models.get('me/first')!.private).toBe(true);
    expect([...commit!.lfs].every((name) => name.endsWith('.safetensors'))).toBe(true);
    expect(commit!.lfs.length).toBe(
      [...commit!.files.keys()].filter((name) => name.endsWith('.safetensors')).length,
    );
    for (const [name, bytes] of commit!.files)
      if (!(name in localPathFields)) expect(bytes.equals(readFileSync(join(dir, name))), name).toBe(true);
    const growth = JSON.parse(commit!.files.get('growth.json')!.toString()) as object;
    expect(growth).toMatchObject({
      source: 'source',
      certificate: { verdict: 'passed', kl: certificate.kl },
    });
    expect(JSON.stringify(growth)).not.toContain('a private sentence');
    expect(JSON.parse(commit!.files.get('training.json')!.toString())).toEqual({
      version: 1,
      run: 'run',
      checkpoint: 'org/oak',
      step: 3,
      tokens: 96,
      weights: 'raw',
      cambium: '0',
    });
    const uploads = server.requests.filter(({ method, server: to }) => method === 'PUT' && to === 'cdn');
    for (const { authorization, length } of uploads)
      expect(authorization === undefined && Number(length) > 0).toBe(true);
    expect(events.at(-1)).toMatchObject({ type: 'bytes', phase: 'committing' });
  });

  it('uploads large files in parts, and none that the Hub already has', async () => {
    const dir = await createExport(4);
    const hub = createClient(writeToken);
    server.partBytes = 4000;
    server.faults = [{ match: /PUT cdn/, times: 2, status: 503 }];
    await pushInWorker(hub, { dir, repo: 'me/parts', private: false }, () => undefined, neverAborted);
    expect(server.models.get('me/parts')!.private).toBe(false);
    server.requests.length = 0;
    await pushExport(hub, dir, 'me/parts', { private: false });
    expect(server.requests.filter((request) => request.server === 'cdn')).toEqual([]);
    expect(server.pushes.length).toBe(2);
  });

  it('lists the files without a token and without the Hub, with the reason that it cannot be pushed', async () => {
    const dir = await createExport();
    const blockerOf = async (token?: string): Promise<unknown> =>
      (await planPush(createClient(token), dir, 'reader/x')).blocker?.code;
    const plan = await planPush(createClient(), dir, 'me/x');
    expect(plan).toMatchObject({
      repo: 'me/x',
      account: null,
      exists: null,
      private: null,
      url: `${server.endpoint}/me/x`,
      blocker: { code: 'hub/no-token' },
    });
    expect(plan.files.map((file) => file.path)).toContain('config.json');
    expect(await blockerOf('hf_reader')).toBe('hub/no-write');
    expect(await blockerOf('hf_wrong')).toBe('hub/bad-token');
    const { settings } = createClient(writeToken);
    const offline = createHub({ ...settings, offline: true }, null);
    expect((await planPush(offline, dir, 'me/x')).blocker?.code).toBe('hub/no-token');
    const unreachable = createHub(
      { ...settings, endpoint: 'http://127.0.0.1:1' },
      { text: writeToken, from: 'HF_TOKEN' },
      { attempts: 1 },
    );
    expect(await planPush(unreachable, dir, 'me/x')).toMatchObject({
      files: plan.files,
      blocker: { code: 'hub/unreachable' },
    });
  });

  it('needs a token with write access', async () => {
    const dir = await createExport();
    await expectAppError('hub/no-token', () => planReadyPush(createClient(), dir, 'me/x'));
    expect(
      (await expectAppError('hub/no-write', () => planReadyPush(createClient('hf_reader'), dir, 'reader/x')))
        .message,
    ).toContain('role "write"');
    await expectAppError('hub/bad-token', () => planReadyPush(createClient('hf_wrong'), dir, 'me/x'));
    await expectAppError('hub/no-write', () =>
      pushExport(createClient(writeToken), dir, 'somebody/x', { private: true }),
    );
    expect(server.pushes).toEqual([]);
  });

  it('refuses folders, runs, optimizer states, token files and access tokens', async () => {
    const hub = createClient(writeToken);
    const exportWith = async (name: string, text = 'x'): Promise<string> => {
      const dir = await createExport();
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
        (await expectAppError('hub/not-an-export', async () => planPush(hub, await exportWith(name), 'me/x')))
          .detail['file'],
      ).toBe(name);
    const nested = await createExport();
    mkdirSync(join(nested, 'checkpoints'));
    await expectAppError('hub/not-an-export', () => planPush(hub, nested, 'me/x'));
    const { detail, message } = await expectAppError('hub/secret', async () =>
      planPush(hub, await exportWith('README.md', `my token is ${writeToken}`), 'me/x'),
    );
    expect(detail['file']).toBe('README.md');
    expect(message).not.toContain(writeToken);
    const broken = await createExport();
    rmSync(join(broken, 'config.json'));
    await expectAppError('checkpoint/no-config', () => planPush(hub, broken, 'me/x'));
    await expectAppError('file/not-found', () => planPush(hub, '/nowhere', 'me/x'));
  });

  it('accepts an ONNX model, and leaves out the optimizer moments of a grown model', async () => {
    const hub = createClient(writeToken);
    const grown = await createExport(6);
    const onnx = await createExport(7);
    mkdirSync(join(grown, 'optimizer'));
    writeFileSync(join(grown, 'optimizer', 'moments.safetensors'), 'x');
    expect((await planPush(hub, grown, 'me/x')).files.map(({ path }) => path)).not.toContainEqual(
      expect.stringMatching(/optimizer|moments/),
    );
    for (const name of readdirSync(onnx)) if (name.includes('safetensors')) rmSync(join(onnx, name));
    await expectAppError('checkpoint/no-weights', () => planPush(hub, onnx, 'me/x'));
    for (const name of ['model.onnx', 'model.onnx.data']) writeFileSync(join(onnx, name), 'x');
    expect((await planPush(hub, onnx, 'me/x')).files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['config.json', 'model.onnx', 'model.onnx.data']),
    );
  });

  it('publishes nothing when it is stopped or fails before the commit', async () => {
    const dir = await createExport(5);
    const hub = createClient(writeToken);
    const stop = new AbortController();
    await expectAppError('cancelled', () =>
      pushInWorker(
        hub,
        { dir, repo: 'me/stopped', private: true },
        () => {
          stop.abort();
        },
        stop.signal,
      ),
    );
    server.faults = [{ match: /POST hub .*commit/, times: 1, status: 500 }];
    await expectAppError('hub/down', () => pushExport(hub, dir, 'me/stopped', { private: true }));
    expect(server.pushes).toEqual([]);
    await pushExport(hub, dir, 'me/stopped', { private: true });
    expect(server.pushes.length).toBe(1);
    expect(server.pushes[0]!.summary).toContain(basename(dir));
  });
});
