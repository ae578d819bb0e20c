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

function assert(condition, message) {
  if (!condition) throw new Error(message);
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

const endOfText = '<|endoftext|>';

/** A copy of a checkpoint folder with a tokenizer of single characters: llama.cpp's binding opens no model without. */
function withTokenizer(dir, rows) {
  const copy = join(scratch, `${exports++}`);
  cpSync(dir, copy, { recursive: true });
  const letters = Array.from({ length: rows - 1 }, (_, i) => String.fromCodePoint(33 + i));
  const vocab = Object.fromEntries([endOfText, ...letters].map((text, i) => [text, i]));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const model = { type: 'BPE', vocab, merges: [] };
  writeFileSync(
    join(copy, 'tokenizer.json'),
    JSON.stringify({
      added_tokens: [{ id: 0, content: endOfText, special: true }],
      pre_tokenizer: byteLevel,
      decoder: byteLevel,
      model,
    }),
  );
  const roles = ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'mask_token'];
  const named = Object.fromEntries(roles.map((role) => [role, endOfText]));
  const settings = { tokenizer_class: 'PreTrainedTokenizerFast', ...named };
  writeFileSync(join(copy, 'tokenizer_config.json'), JSON.stringify(settings));
  return copy;
}

const llama = await openLlama();

/** The largest difference of the mean loss in nats that the rounding of each type may cause on tiny random models. */
const lossTolerances = { f32: 1e-3, f16: 3e-3, bf16: 2e-2, q8_0: 6e-2 };

/** The differences of logits and mean loss between llama.cpp and transformers on the texts of a golden checkpoint. */
async function compareGolden(model, { ids, logits }, contextLength) {
  const length = ids[0].length;
  const vocab = logits.length / (ids.length * length);
  const read = Math.min(length, contextLength);
  let maxLogit = 0;
  let lossDifference = 0;
  for (const [row, tokens] of ids.entries()) {
    const rows = await readLogits(model, tokens.slice(0, read));
    rows.forEach((found, i) => {
      const start = (row * length + i) * vocab;
      const expected = logits.slice(start, start + vocab);
      const actual = expected.map((_, token) => found.get(token) ?? NaN);
      actual.forEach((value, token) => {
        const difference = Math.abs(value - expected[token]);
        maxLogit = Math.max(maxLogit, Number.isNaN(difference) ? Infinity : difference);
      });
      if (i + 1 < read) lossDifference += lossOf(actual, tokens[i + 1]) - lossOf(expected, tokens[i + 1]);
    });
  }
  return { maxLogit, lossDifference: Math.abs(lossDifference) / (ids.length * (read - 1)) };
}

/** The loss of a token in nats. */
function lossOf(logits, token) {
  const max = Math.max(...logits);
  return max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0)) - logits[token];
}

for (const name of readdirSync(golden))
  for (const type of ggufTypeNames)
    await check(`${name} ${type}`, async () => {
      const expected = loadGolden(name);
      const vocab = expected.logits.length / expected.ids.flat().length;
      let file;
      try {
        file = await write(withTokenizer(join(golden, name), vocab), type);
      } catch (error) {
        if (error instanceof AppError && error.code === 'gguf/unsupported')
          return `refused: ${error.detail.why}`;
        throw error;
      }
      const model = await llama.loadModel({ modelPath: file.path });
      try {
        const { maxLogit, lossDifference } = await compareGolden(model, expected, model.trainContextSize);
        const text = `|Δlogit| ${maxLogit.toExponential(1)}, |Δloss| ${lossDifference.toExponential(1)}`;
        assert(lossDifference <= lossTolerances[type], text);
        return [text, ...file.notes].join('; ');
      } finally {
        await model.dispose();
        rmSync(file.out, { recursive: true });
      }
    });

await llama.dispose();
rmSync(scratch, { recursive: true });
const failed = results.filter(({ passed }) => !passed);
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
if (failed.length > 0) process.exitCode = 1;
