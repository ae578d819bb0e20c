import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { getBlobPath, getPartialPath, readFileSize } from '../../../src-main/store/hub/cache.ts';
import { downloadSnapshot } from '../../../src-main/store/hub/download.ts';
import { inspectModel } from '../../../src-main/store/hub/model.ts';
import { waitUntil } from '../../support/test-service.ts';
import { createClient, repo, server, useLocalHub } from './local-hub.ts';

useLocalHub();
afterEach(() => {
  server.faults = [];
});

interface DownloadedFile {
  readonly partial: string;
  readonly blob: string;
  readonly content: Buffer;
}

describe('downloadFile', () => {
  it.each<[string, (file: DownloadedFile) => void]>([
    [
      'appends a few bytes to the partial file',
      ({ partial }) => {
        appendFileSync(partial, 'of another');
      },
    ],
    [
      'makes the partial file too long',
      ({ partial, content }) => {
        appendFileSync(partial, content);
      },
    ],
    [
      'completes the blob first',
      ({ partial, blob, content }) => {
        writeFileSync(blob, content);
        rmSync(partial);
      },
    ],
  ])('ends with a checked blob when another process %s', async (_, interfere) => {
    const hub = createClient();
    const { cache } = hub.settings;
    const model = await inspectModel(hub, repo);
    const weights = model.files.filter((file) => file.sha256);
    const shard = weights.sort((a, b) => b.bytes - a.bytes)[0]!;
    const content = server.models.get(repo)!.commits.get(model.commit)!.get(shard.path)!.bytes;
    const partial = getPartialPath(cache, model.repo, shard.etag);
    const blob = getBlobPath(cache, model.repo, shard.etag);
    server.faults = [{ match: new RegExp(`GET cdn /blob/${shard.etag}`), times: 1, chunkDelayMs: 4 }];
    const download = downloadSnapshot(hub, model);
    await waitUntil(async () => ((await readFileSize(partial)) ?? 0) > 8000);
    interfere({ partial, blob, content });
    await download;
    expect(readFileSync(blob).equals(content)).toBe(true);
    expect(existsSync(partial)).toBe(false);
  });
});
