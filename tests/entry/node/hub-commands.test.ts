/** @file The commands search, download and push, against a local Hub. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { accessToken, useHub } from '../../service/hub-fixture.ts';
import { makeParquet, makeTexts } from '../../support/parquet.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { waitUntil } from '../../support/test-service.ts';
import { runCommand } from './run-command.ts';

const useFixture = useHub();

it('search lists models that can be grown; --all lists the others with the reason', async () => {
  const { app } = useFixture();
  const { out } = await runCommand(app, ['search', '--sort', 'downloads']);
  expect(out).toContain('org/oak');
  expect(out).not.toContain('org/odd');
  const all = await runCommand(app, ['search', 'org/odd', '--all']);
  expect(all.out).toContain('Cambium does not support the model_type');
  const small = await runCommand(app, ['search', '--most', '1', '--json']);
  expect(small.last()['hits']).toEqual([]);
  expect((await runCommand(app, ['search', '--family', 'cat'])).code).toBe(2);
});

it('download --check describes a model without downloading it', async () => {
  const { app, cache } = useFixture();
  const { code, out } = await runCommand(app, ['download', 'org/oak', '--check']);
  expect(code).toBe(0);
  expect(out).toContain('Can be grown.');
  expect(existsSync(cache)).toBe(false);
});

it('download fetches a model once', async () => {
  const { app, server } = useFixture();
  const { code, last } = await runCommand(app, ['download', 'org/oak@main', '--json']);
  expect(code).toBe(0);
  const { dir, commit } = last<{ dir: string; commit: string }>();
  expect(existsSync(join(dir, 'config.json'))).toBe(true);
  server.requests.length = 0;
  const again = await runCommand(app, ['download', `org/oak@${commit}`]);
  expect(again.out).toContain('all hashes verified');
  expect(server.requests).toEqual([]);
});

it('download refuses models that cannot be grown, unless --anyway is given, and explains gated ones', async () => {
  const { app, server } = useFixture();
  expect((await runCommand(app, ['download', 'org/odd'])).code).toBe(1);
  expect((await runCommand(app, ['download', 'org/odd', '--anyway'])).code).toBe(0);
  const gated = await runCommand(app, ['download', 'org/gated']);
  expect(gated.err).toContain(`${server.endpoint}/org/gated`);
});

it('download pauses at Ctrl+C with exit code 130, and the same command continues', async () => {
  const { app, cache, slowDown, recover } = useFixture();
  slowDown();
  const controller = new AbortController();
  const { signal } = controller;
  const work = runCommand(app, ['download', 'org/oak', '--json'], { signal });
  const blobs = join(cache, 'models--org--oak', 'blobs');
  await waitUntil(() => existsSync(blobs) && readdirSync(blobs).length > 0);
  controller.abort();
  const { code, last } = await work;
  expect(code).toBe(130);
  expect(last()).toMatchObject({ paused: true });
  recover();
  expect((await runCommand(app, ['download', 'org/oak'])).code).toBe(0);
});

it('push --dry-run lists the files, and push uploads them', async () => {
  process.env['HF_TOKEN'] = accessToken;
  const { app, server } = useFixture();
  const dir = await makeTinyCheckpoint('gpt2', { dir: join(app.dir, 'mine'), tokenizer: true, seed: 12 });
  const dryRun = await runCommand(app, ['push', dir, 'mine', '--dry-run']);
  expect(dryRun.out).toContain('model.safetensors');
  expect(server.models.has('me/mine')).toBe(false);
  const { code, out } = await runCommand(app, ['push', dir, 'mine']);
  expect(code).toBe(0);
  expect(out).toContain(`${server.endpoint}/me/mine (private)`);
  expect(server.models.get('me/mine')!.private).toBe(true);
});

it('datasets searches, and shows the splits, columns and rows of one', async () => {
  const { app, server } = useFixture();
  const texts = makeTexts(20);
  server.addCommit('datasets/org/texts', { 'data/train.parquet': makeParquet(texts, 8) }, { downloads: 12 });
  const { out } = await runCommand(app, ['datasets', 'texts']);
  expect(out).toContain('org/texts');
  expect(out).not.toContain('org/oak');
  const one = await runCommand(app, ['datasets', 'hf://datasets/org/texts', '--rows', '2']);
  expect(one.out).toContain('text: string');
  expect(one.out).toContain(texts[1]);
  expect(one.out).toContain('20 rows in the first file');
  const missing = await runCommand(app, ['datasets', 'hf://datasets/org/none']);
  expect(missing.code).toBe(1);
  expect(missing.err).toContain('there is no dataset org/none');
});
