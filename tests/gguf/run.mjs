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
import { chooseDevice } from '../../src-main/engine/device/choose.ts';
import { exportGguf } from '../../src-main/engine/export/gguf-job.ts';
import { computeLogits } from '../../src-main/engine/export/logits.ts';
import { checkpointWeights } from '../../src-main/engine/model/weights.ts';
import { families } from '../../src-main/model/families/index.ts';
import { ggufArchitectureOf } from '../../src-main/model/families/gguf-architectures.ts';
import { float32, ggufTypeNames, string, uint32 } from '../../src-main/model/gguf/values.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { encodeGguf } from '../../src-main/store/checkpoint/gguf-header.ts';
import { readGgufVocabulary } from '../../src-main/store/data/gguf-vocabulary.ts';
import { openTokenizer } from '../../src-main/store/data/tokenizer.ts';
import { toyCorpus } from '../../src-main/train/toy-corpus.ts';
import { expressibleOf } from '../support/gguf.ts';
import { loadGolden } from '../support/golden.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { difficultTexts, readRealCases, writeTokenizerFolder } from '../support/tokenizer-fixtures.ts';

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

/** Runs `work` with a function that reads more tokens and returns their logits, a map for each. */
async function withReader(model, length, work) {
  const context = await model.createContext({
    contextSize: Math.max(64, length),
    flashAttention: false,
    // Keys and values are float16 by default.
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  });
  const sequence = context.getSequence();
  try {
    return await work(async (tokens) => {
      const items = tokens.map((token) => [token, { generateNext: { logits: true } }]);
      return (await sequence.controlledEvaluate(items)).map(({ next }) => next.logits);
    });
  } finally {
    await context.dispose();
  }
}

/** The logits of all tokens of a text, a map for each. */
const readLogits = (model, tokens) => withReader(model, tokens.length, (read) => read(tokens));

/** The `count` tokens that llama.cpp puts behind a text, the likeliest at each place. */
const continueText = (model, tokens, count) =>
  withReader(model, tokens.length + count, async (read) => {
    const chosen = [];
    let next = tokens;
    while (chosen.length < count) {
      const last = (await read(next)).at(-1);
      next = [[...last].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0]];
      chosen.push(...next);
    }
    return chosen;
  });

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

/** The logits [tokens, vocab] of a checkpoint in Cambium. */
async function computeOwnLogits(dir, tokens) {
  const checkpoint = await openCheckpoint(dir);
  const device = await chooseDevice('cpu');
  try {
    return await computeLogits(device, checkpoint, checkpointWeights(checkpoint), tokens);
  } finally {
    await device.dispose();
  }
}

for (const family of families.values()) {
  if (!ggufArchitectureOf(family)) continue;
  for (const type of ['f32', 'q8_0'])
    await check(`tiny ${family.id} ${type}`, async () => {
      const dir = await makeTinyCheckpoint(family.id, expressibleOf(family.id));
      const tokens = Array.from({ length: 24 }, (_, i) => 1 + ((i * 37) % 250));
      const expected = { ids: [tokens], logits: [...(await computeOwnLogits(dir, tokens))] };
      const file = await write(dir, type);
      const model = await llama.loadModel({ modelPath: file.path });
      try {
        const { maxLogit, lossDifference } = await compareGolden(model, expected, model.trainContextSize);
        const text = `|Δlogit| ${maxLogit.toExponential(1)}, |Δloss| ${lossDifference.toExponential(1)}`;
        assert(lossDifference <= lossTolerances[type], text);
        return text;
      } finally {
        await model.dispose();
        for (const folder of [file.out, dir]) rmSync(folder, { recursive: true });
      }
    });
}

/**
 * The difficult texts that llama.cpp splits otherwise than transformers. It does not normalize to NFC; it takes ▁ in a
 * text for a space; and it puts a space before every text and every part behind a special token, where Llama 2 does
 * so only before a text that does not begin with one.
 */
const differingTexts = {
  qwen3: ['nfd', 'mixed forms', 'combining marks alone', 'unusual spaces'],
  gemma: ['metaspace'],
  gemma3: ['metaspace'],
  llama2: [
    'space',
    'spaces',
    'leading and trailing space',
    'special look-alikes',
    'special in words',
    'metaspace',
  ],
};

for (const { name, files, auto } of readRealCases())
  await check(`tokens of ${name}`, async () => {
    const dir = writeTokenizerFolder(files);
    const tokenizer = await openTokenizer(dir);
    let vocabulary;
    try {
      vocabulary = await readGgufVocabulary(dir, tokenizer.vocabSize);
    } catch (error) {
      if (error instanceof AppError && error.code === 'gguf/tokenizer') return `refused: ${error.detail.why}`;
      throw error;
    }
    const path = join(scratch, `${name}.gguf`);
    const sizes = [
      'context_length',
      'embedding_length',
      'block_count',
      'feed_forward_length',
      'attention.head_count',
    ];
    const entries = [
      ['general.architecture', string('llama')],
      ...sizes.map((key) => [`llama.${key}`, uint32(8)]),
      ['llama.attention.layer_norm_rms_epsilon', float32(1e-5)],
      ...vocabulary.entries,
    ];
    writeFileSync(path, encodeGguf(entries, []).header);
    // The file has no weights, which llama.cpp reports as an error.
    llama.logLevel = 'disabled';
    const model = await llama.loadModel({ modelPath: path, vocabOnly: true });
    const { before } = tokenizer.documentTokens;
    const different = [];
    try {
      for (const [i, [title, text]] of Object.entries(difficultTexts).entries()) {
        const found = model.tokenize(text, true);
        if (found.join() !== auto.ids[i].slice(before.length).join()) different.push(title);
      }
    } finally {
      await model.dispose();
      llama.logLevel = 'error';
    }
    const unexpected = different.filter((title) => differingTexts[name]?.includes(title) !== true);
    assert(unexpected.length === 0, `these texts differ: ${unexpected.join(', ')}`);
    const equal = `${auto.ids.length - different.length} difficult texts have the same tokens`;
    return different.length === 0 ? equal : `${equal}, not ${different.join(', ')}`;
  });

/** The relative difference of perplexity, and how many of 64 greedy tokens agree, by type. */
const perplexityTolerances = { f32: 1e-4, f16: 1e-3, bf16: 1e-2, q8_0: 1e-2 };
const agreeingTokens = { f32: 64, f16: 64, bf16: 60, q8_0: 60 };

/** A trained model: CAMBIUM_STORIES names one, such as stories260K; default: the built-in one. */
const trained = process.env['CAMBIUM_STORIES'] ?? join(root, 'resources/demo/seedling');

for (const type of ggufTypeNames)
  await check(`trained ${type}`, async () => {
    const checkpoint = await openCheckpoint(trained);
    const tokenizer = await openTokenizer(trained);
    const prompt = await tokenizer.encode('Once upon a time');
    const text = (await tokenizer.encode(toyCorpus(4000))).slice(0, 400);
    const file = await write(trained, type);
    const model = await llama.loadModel({ modelPath: file.path });
    const device = await chooseDevice('cpu');
    try {
      const plain = prompt.slice(tokenizer.documentTokens.before.length);
      assert(model.tokenize('Once upon a time').join() === plain.join(), 'the prompt has other tokens');
      // The model must choose the same tokens when it reads the text of llama.cpp at once.
      const greedy = [...prompt, ...(await continueText(model, prompt, 64))];
      const rowOf = (logits, i, vocab) => logits.slice(i * vocab, (i + 1) * vocab);
      const vocab = checkpoint.dims.vocab;
      const ours = await computeLogits(
        device,
        checkpoint,
        checkpointWeights(checkpoint),
        greedy.slice(0, -1),
      );
      const same = greedy.slice(prompt.length).filter((token, i) => {
        const row = rowOf(ours, prompt.length - 1 + i, vocab);
        return row.indexOf(Math.max(...row)) === token;
      }).length;
      const expected = await computeLogits(device, checkpoint, checkpointWeights(checkpoint), text);
      const found = await readLogits(model, text);
      const losses = text.slice(1).map((token, i) => {
        const actual = Array.from({ length: vocab }, (_, id) => found[i].get(id) ?? NaN);
        return [lossOf(actual, token), lossOf([...rowOf(expected, i, vocab)], token)];
      });
      const [theirs, own] = [0, 1].map((k) =>
        Math.exp(losses.reduce((sum, pair) => sum + pair[k], 0) / losses.length),
      );
      const agreement = `${same} of 64 greedy tokens agree`;
      const words = `perplexity ${theirs.toFixed(4)}, in Cambium ${own.toFixed(4)}; ${agreement}`;
      assert(Math.abs(theirs / own - 1) < perplexityTolerances[type] && same >= agreeingTokens[type], words);
      return words;
    } finally {
      await device.dispose();
      await model.dispose();
    }
  });

await llama.dispose();
rmSync(scratch, { recursive: true });
const failed = results.filter(({ passed }) => !passed);
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
if (failed.length > 0) process.exitCode = 1;
