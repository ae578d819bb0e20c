import { beforeAll, describe, expect, it } from 'vitest';
import { parseDatasetName } from '../../../src-main/base/dataset-name.ts';
import { readFileRange } from '../../../src-main/store/hub/file-range.ts';
import {
  findDefaultSplit,
  inspectDataset,
  searchDatasets,
  selectSplit,
} from '../../../src-main/store/hub/datasets.ts';
import { previewSplit } from '../../../src-main/store/hub/remote-parquet.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { makeParquet, makeTexts } from '../../support/parquet.ts';
import { createClient, server, useLocalHub } from './local-hub.ts';

useLocalHub();

const parquet = makeParquet(makeTexts(40), 10);
const { signal } = new AbortController();

beforeAll(() => {
  const files = (...paths: string[]): Record<string, Buffer> =>
    Object.fromEntries(paths.map((path) => [path, parquet]));
  server.addCommit(
    'datasets/org/plain',
    files('data/train-00000-of-00002.parquet', 'data/train-00001-of-00002.parquet', 'data/valid.parquet'),
    { downloads: 7 },
  );
  server.addCommit(
    'datasets/org/configs',
    files('en/train/0000.parquet', 'en/test/0000.parquet', 'de/0.parquet'),
  );
  server.addCommit('datasets/org/declared', {
    ...files('v2/part-0.parquet', 'v2/part-1.parquet', 'old/x.parquet'),
    'README.md': [
      '---',
      'configs:',
      '- config_name: default',
      '  data_files:',
      '  - split: train',
      '    path: "v2/part-[0-9].parquet"',
      '- config_name: all',
      '  data_files: ["**/*.parquet"]',
      '---',
    ].join('\n'),
  });
  server.addCommit('datasets/org/json', { 'train.jsonl': '{"text":"a"}' });
  server.addCommit('datasets/org/json', files('default/train/0000.parquet'), {}, 'refs/convert/parquet');
  server.addCommit('datasets/org/none', { 'train.jsonl': '{"text":"a"}' });
  server.addCommit('datasets/org/gated', files('train.parquet'), { gated: 'manual' });
});

const splitsOf = async (repo: string): Promise<readonly string[]> => {
  const { splits } = await inspectDataset(createClient(), { repo, revision: undefined });
  return splits.map(({ config, split, files }) => `${config}:${split} ${files.length}`);
};

describe('inspectDataset', () => {
  it('groups Parquet files by folders and names, and by the README', async () => {
    expect(await splitsOf('org/plain')).toEqual(['default:train 2', 'default:validation 1']);
    expect(await splitsOf('org/configs')).toEqual(['de:train 1', 'en:test 1', 'en:train 1']);
    expect(await splitsOf('org/declared')).toEqual(['default:train 2', 'all:train 3']);
  });

  it('uses the copies that the Hub makes of other formats', async () => {
    const dataset = await inspectDataset(createClient(), { repo: 'org/json', revision: undefined });
    expect(dataset).toMatchObject({ isConverted: true, revision: 'refs/convert/parquet' });
    await expectAppError('hub/no-parquet', () =>
      inspectDataset(createClient(), { repo: 'org/none', revision: undefined }),
    );
    await expectAppError('hub/no-parquet', () =>
      inspectDataset(createClient(), { repo: 'org/json', revision: 'main' }),
    );
  });

  it('says what is missing', async () => {
    const missing = await expectAppError('hub/no-repo', () =>
      inspectDataset(createClient(), { repo: 'org/nothing', revision: undefined }),
    );
    expect(missing.message).toContain('there is no dataset org/nothing');
    await expectAppError('hub/no-revision', () =>
      inspectDataset(createClient(), { repo: 'org/plain', revision: 'v9' }),
    );
    await expectAppError('hub/offline', () =>
      inspectDataset(createClient(null, {}, { HF_HUB_OFFLINE: '1' }), {
        repo: 'org/plain',
        revision: undefined,
      }),
    );
    server.faults.push({ match: /api\/datasets/, times: 1, status: 429, headers: { 'retry-after': '600' } });
    const { detail } = await expectAppError('hub/too-many', () =>
      inspectDataset(createClient(), { repo: 'org/plain', revision: undefined }),
    );
    expect(detail).toMatchObject({ seconds: 600 });
  });

  it('selects a split by name, by default, or asks', async () => {
    const select = async (text: string): Promise<string> => {
      const name = parseDatasetName(`hf://datasets/${text}`)!;
      const { config, split } = selectSplit(await inspectDataset(createClient(), name), name);
      return `${config}:${split}`;
    };
    expect(await select('org/plain')).toBe('default:train');
    expect(await select('org/plain:validation')).toBe('default:validation');
    expect(await select('org/configs/en')).toBe('en:train');
    expect(await select('org/declared')).toBe('default:train');
    const found = ({ detail }: { detail: Readonly<Record<string, unknown>> }): unknown => detail['found'];
    expect(found(await expectAppError('hub/several-configs', () => select('org/configs')))).toEqual([
      'de',
      'en',
    ]);
    expect(found(await expectAppError('hub/no-config', () => select('org/configs/fr')))).toEqual([
      'de',
      'en',
    ]);
    expect(found(await expectAppError('hub/no-split', () => select('org/plain:test')))).toEqual([
      'train',
      'validation',
    ]);
  });

  it('previews columns and rows, and says how to get access to a gated dataset', async () => {
    const hub = createClient();
    const name = parseDatasetName('hf://datasets/org/plain')!;
    const dataset = await inspectDataset(hub, name);
    const preview = await previewSplit(hub, dataset, selectSplit(dataset, name), 2, signal);
    expect(preview.columns).toEqual([
      { name: 'id', type: 'int32' },
      { name: 'text', type: 'string' },
    ]);
    expect(preview.rows).toEqual([
      ['0', makeTexts(2)[0]],
      ['1', makeTexts(2)[1]],
    ]);
    expect(preview.firstFileRows).toBe(40);
    const gatedName = parseDatasetName('hf://datasets/org/gated')!;
    const gated = await expectAppError('hub/gated', async () => {
      const found = await inspectDataset(hub, gatedName);
      await previewSplit(hub, found, findDefaultSplit(found, gatedName)!, 1, signal);
    });
    expect(gated.detail).toMatchObject({ url: `${server.endpoint}/datasets/org/gated` });
  });

  it('searches datasets', async () => {
    const hits = await searchDatasets(createClient(), 'plain');
    expect(hits).toMatchObject([{ repo: 'org/plain', downloads: 7 }]);
  });
});

describe('readFileRange', () => {
  const open = async (): Promise<Parameters<typeof readFileRange>[1]> => {
    const dataset = await inspectDataset(createClient(), { repo: 'org/plain', revision: undefined });
    const file = dataset.splits[0]!.files[0]!;
    return { repo: 'datasets/org/plain', commit: dataset.commit, file, signal };
  };

  it('continues where a connection broke', async () => {
    const remote = await open();
    server.faults.push({ match: /GET cdn/, times: 2, cutAfter: 100 });
    server.requests.length = 0;
    const bytes = await readFileRange(createClient(), remote, 50, 700);
    expect(Buffer.from(bytes).equals(parquet.subarray(50, 700))).toBe(true);
    const ranges = server.requests.filter((one) => one.server === 'cdn').map((one) => one.range);
    expect(ranges[0]).toBe('bytes=50-699');
    expect(ranges.length).toBeGreaterThan(1);
    expect(Number(/=(\d+)-/.exec(ranges.at(-1)!)![1])).toBeGreaterThan(50);
  });

  it('reads from a server without ranges, and refuses a file that has changed', async () => {
    const remote = await open();
    server.faults.push({ match: /GET cdn/, times: 1, ignoreRange: true });
    const bytes = await readFileRange(createClient(), remote, 50, 700);
    expect(Buffer.from(bytes).equals(parquet.subarray(50, 700))).toBe(true);
    server.faults.push({ match: /GET hub \/datasets/, times: 1, etag: 'f'.repeat(64) });
    await expectAppError('hub/changed', () => readFileRange(createClient(), remote, 50, 700));
  });
});
