/**
 * @file Measures how fast text is tokenized into files, the time to open the tokenizer included:
 * `node tests/bench/measure-tokenizing.ts DIR FILE`. Prints one JSON object.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tokenizeFiles } from '../../src-main/store/data/tokenize.ts';
import { openTokenizer } from '../../src-main/store/data/tokenizer.ts';

const [dir, file] = process.argv.slice(2) as [string, string];
const { vocabSize } = await openTokenizer(dir);
const cacheDir = mkdtempSync(join(tmpdir(), 'cambium-bench-'));
try {
  const started = performance.now();
  const cpu = process.cpuUsage();
  const { tokens, bytes } = await tokenizeFiles({ data: [file], tokenizerDir: dir, vocabSize, cacheDir });
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const cpuSeconds = (user + system) / 1e6;
  const peakMemory = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ tokens, bytes, seconds, cpuSeconds, peakMemory }));
} finally {
  rmSync(cacheDir, { recursive: true, force: true });
}
