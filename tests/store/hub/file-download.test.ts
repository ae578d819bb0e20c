/** @file One file while another process is at the same one: what is named is what was checked. */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { blobFile, partialFile, sizeOf } from '../../../src-main/store/hub/cache.ts';
import { downloadSnapshot } from '../../../src-main/store/hub/download.ts';
import { judgeModel } from '../../../src-main/store/hub/model.ts';
import { until } from '../../support/workplace.ts';
import { client, server, withServer } from './workbench.ts';

withServer();
afterEach(() => {
  server.faults = [];
});

it.each<
  [string, (paths: { readonly partial: string; readonly blob: string; readonly content: Buffer }) => void]
>([
  [
    'appends a little to its bytes',
    ({ partial }) => {
      appendFileSync(partial, 'of another');
    },
  ],
  [
    'makes it longer than it is',
    ({ partial, content }) => {
      appendFileSync(partial, content);
    },
  ],
  [
    'finishes it first',
    ({ partial, blob, content }) => {
      writeFileSync(blob, content);
      rmSync(partial);
    },
  ],
])('comes right when another %s', async (_, meddle) => {
  const hub = client();
  const { cache } = hub.settings;
  const model = await judgeModel(hub, 'org/sharded');
  const shard = model.files.filter((file) => file.sha256).sort((a, b) => b.bytes - a.bytes)[0]!;
  const content = server.models.get('org/sharded')!.commits.get(model.commit)!.get(shard.path)!.bytes;
  const partial = partialFile(cache, model.repo, shard.etag);
  const blob = blobFile(cache, model.repo, shard.etag);
  server.faults = [{ on: new RegExp(`GET cdn /blob/${shard.etag}`), times: 1, slow: 4 }];
  const work = downloadSnapshot(hub, model);
  await until(async () => ((await sizeOf(partial)) ?? 0) > 8000);
  meddle({ partial, blob, content });
  await work;
  expect(readFileSync(blob).equals(content)).toBe(true);
  expect(existsSync(partial)).toBe(false);
});
