/**
 * @file `npm run test:gguf`: opens the GGUF files that Cambium writes in llama.cpp. Exports every golden checkpoint
 * in every type and compares logits and losses with those of transformers; compares the tokens of real tokenizers,
 * and greedy text and perplexity of a trained model. Arguments filter checks by name.
 *
 * llama.cpp comes from the npm package node-llama-cpp, which is no dependency because it is large. Install it anywhere
 * and name the folder: CAMBIUM_LLAMA_CPP=/tmp/llama npm run test:gguf
 */
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AppError } from '../../src-main/base/errors.ts';
import { createAborter } from '../../src-main/base/signals.ts';
import { exportGguf } from '../../src-main/engine/export/gguf-job.ts';
import { ggufTypeNames } from '../../src-main/model/gguf/values.ts';
import { loadGolden } from '../support/golden.ts';

const root = resolve(import.meta.dirname, '../..');
const golden = join(root, 'tests/fixtures/golden');
const filters = process.argv.slice(2);
const scratch = mkdtempSync(join(tmpdir(), 'cambium-gguf-'));
const results = [];

const folder = process.env['CAMBIUM_LLAMA_CPP'] ?? root;
const install =
  'mkdir -p /tmp/llama && cd /tmp/llama && npm init -y && npm install --ignore-scripts node-llama-cpp@3.22.1';

async function openLlama() {
  let path;
  try {
    path = createRequire(join(folder, 'package.json')).resolve('node-llama-cpp');
  } catch {
    console.error(
      `llama.cpp is not there. Install it, and set CAMBIUM_LLAMA_CPP to its folder:\n  ${install}`,
    );
    process.exit(1);
  }
  const { getLlama, LlamaLogLevel } = await import(pathToFileURL(path).href);
  return getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error, maxThreads: 2 });
}

/** Runs one check and prints its line: what `measure` returns, or the message of the error it throws. */
async function check(name, measure) {
  if (filters.length > 0 && !filters.some((word) => name.includes(word))) return;
  const result = await measure().then(
    (text) => ({ passed: true, text }),
    (error) => ({ passed: false, text: error.message }),
  );
  results.push({ name, ...result });
  console.log(`${result.passed ? 'pass' : 'FAIL'}  ${name.padEnd(44)} ${result.text}`);
}

let exports = 0;
/** Writes the GGUF file of a checkpoint folder. Returns its path and the notes of the export. */
async function write(dir, type) {
  const out = join(scratch, `${exports++}`);
  let done;
  const request = { run: dir, out, dtype: 'keep', format: 'gguf', ggufType: type };
  for await (const event of exportGguf(request, createAborter().signal)) done = event;
  return { path: join(out, `model-${type}.gguf`), out, notes: done.notes };
}

/** The logits [tokens, vocab] that llama.cpp computes, with its KV cache in float32. */
async function readLogits(model, tokens) {
  const context = await model.createContext({
    contextSize: Math.max(64, tokens.length),
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  });
  try {
    const items = tokens.map((token) => [token, { generateNext: { logits: true } }]);
    const outputs = await context.getSequence().controlledEvaluate(items);
    return outputs.map(({ next }) => next.logits);
  } finally {
    await context.dispose();
  }
}

/** A copy of a checkpoint folder with a tokenizer of single letters: llama.cpp's binding opens no model without. */
function withTokenizer(dir, rows) {
  const copy = join(scratch, `${exports++}`);
  cpSync(dir, copy, { recursive: true });
  const vocab = Object.fromEntries(
    Array.from({ length: rows }, (_, i) => [String.fromCodePoint(0x4e00 + i), i]),
  );
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const model = { type: 'BPE', vocab, merges: [] };
  writeFileSync(
    join(copy, 'tokenizer.json'),
    JSON.stringify({ added_tokens: [], pre_tokenizer: byteLevel, decoder: byteLevel, model }),
  );
  writeFileSync(join(copy, 'tokenizer_config.json'), '{"tokenizer_class": "PreTrainedTokenizerFast"}');
  return copy;
}

const llama = await openLlama();

for (const name of readdirSync(golden))
  for (const type of ggufTypeNames)
    await check(`${name} ${type}`, async () => {
      const { ids, logits, loss } = loadGolden(name);
      const vocab = logits.length / ids.flat().length;
      let file;
      try {
        file = await write(withTokenizer(join(golden, name), vocab), type);
      } catch (error) {
        if (error instanceof AppError && error.code === 'gguf/unsupported')
          return `refused: ${error.detail.why}`;
        throw error;
      }
      const model = await llama.loadModel({ modelPath: file.path });
      let largest = 0;
      let total = 0;
      let count = 0;
      try {
        for (const [row, tokens] of ids.entries()) {
          const rows = await readLogits(model, tokens);
          rows.forEach((found, i) => {
            const at = (row * tokens.length + i) * vocab;
            let sum = 0;
            const values = Array.from({ length: vocab }, (_, token) => found.get(token) ?? NaN);
            const max = Math.max(...values);
            values.forEach((value, token) => {
              const difference = Math.abs(value - logits[at + token]);
              largest = Math.max(largest, Number.isNaN(difference) ? Infinity : difference);
              sum += Math.exp(value - max);
            });
            if (i + 1 === tokens.length) return;
            total += max + Math.log(sum) - values[tokens[i + 1]];
            count++;
          });
        }
      } finally {
        await model.dispose();
        rmSync(file.out, { recursive: true });
      }
      const differs = Math.abs(total / count - loss);
      const text = `|Δlogit| ${largest.toExponential(1)}, |Δloss| ${differs.toExponential(1)}`;
      return [text, ...file.notes].join('; ');
    });

await llama.dispose();
rmSync(scratch, { recursive: true });
const failed = results.filter(({ passed }) => !passed);
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
if (failed.length > 0) process.exitCode = 1;
