/**
 * @file Streams the Parquet files of a folder from a local Hub through a limited disk space, as a run does:
 * `node tests/bench/measure-stream.ts TOKENIZER FOLDER DISK_GB SECONDS`. Prints one JSON object: text and tokens
 * that were made, and the most bytes that the blocks had on disk, looked at after every million tokens.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDatasetName } from '../../src-main/base/dataset-name.ts';
import { noFilter } from '../../src-main/base/text-filter.ts';
import { openTokenizer } from '../../src-main/store/data/tokenizer.ts';
import { createHub } from '../../src-main/store/hub/requests.ts';
import { readHubSettings } from '../../src-main/store/hub/settings.ts';
import { createSource } from '../../src-main/store/stream/create-source.ts';
import { openTokenStream } from '../../src-main/store/stream/stream.ts';
import { HubServer } from '../support/hub-server.ts';

const [tokenizerDir, files, disk, duration] = process.argv.slice(2) as [string, string, string, string];
const root = mkdtempSync(join(tmpdir(), 'cambium-bench-'));
const folder = join(root, 'stream');
const server = await new HubServer().start();
try {
  const names = readdirSync(files).filter((name) => name.endsWith('.parquet'));
  server.addCommit(
    'datasets/local/text',
    Object.fromEntries(names.map((name) => [name, readFileSync(join(files, name))])),
  );
  const hub = createHub(readHubSettings({ HF_ENDPOINT: server.endpoint, HF_HOME: root }), null);
  const tokenizer = await openTokenizer(tokenizerDir);
  const { vocabSize } = tokenizer;
  const source = await createSource({
    ...{ hub, tokenizer, vocabSize, folder, seed: 0, filter: noFilter, column: 'text' },
    dataset: parseDatasetName('hf://datasets/local/text')!,
    signal: new AbortController().signal,
    blockTokens: 2 ** 20,
    heldOutTokens: 64 * 1024,
  });
  const started = performance.now();
  const cpu = process.cpuUsage();
  const maxBytes = Number(disk) * 1e9;
  const task = { folder, tokenizerDir, firstToken: 0, maxBytes, goal: Infinity };
  const stream = openTokenStream(source, task, hub);
  let most = 0;
  let tokens = 0;
  const isOver = (): boolean => performance.now() - started > Number(duration) * 1000;
  while (await stream.prepare(tokens, tokens + 1e6, isOver)) {
    const sizes = readdirSync(folder)
      .filter((name) => name.startsWith('block-'))
      .map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0);
    most = Math.max(
      most,
      sizes.reduce((sum, size) => sum + size, 0),
    );
    tokens += 1e6;
  }
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const lines = readFileSync(join(folder, 'blocks.jsonl'), 'utf8').trim().split('\n');
  const text = lines.reduce((sum, line) => sum + (JSON.parse(line) as { bytes: number }).bytes, 0);
  const peakMemory = process.resourceUsage().maxRSS * 1024;
  const cpuSeconds = (user + system) / 1e6;
  console.log(JSON.stringify({ text, tokens, most, maxBytes, seconds, cpuSeconds, peakMemory }));
  await stream.close();
} finally {
  await server.stop();
  rmSync(root, { recursive: true, force: true });
}
