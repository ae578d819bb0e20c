/**
 * @file `npm run test:parity`: opens what Cambium writes in transformers. Grows every golden checkpoint and a real
 * one by every method, trains and exports one, and compares logits, losses and text. Arguments filter checks by name.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { methods } from '../../src-main/growth/methods/index.ts';
import { toyCorpus } from '../../src-main/train/toy-corpus.ts';
import { findPython } from './python.ts';
import { appliesTo, mixtureTypes, requests } from './requests.mjs';

const root = resolve(import.meta.dirname, '../..');
const golden = join(root, 'tests/fixtures/golden');
const unusual = join(root, 'tests/fixtures/unusual');
const filters = process.argv.slice(2);
const prompt = 'Once upon a time';
const scratch = mkdtempSync(join(tmpdir(), 'cambium-parity-'));
const results = [];

/** Runs one check and prints its line: what `measure` returns, or the message of the error it throws. */
async function check(name, measure) {
  if (filters.length > 0 && !filters.some((word) => name.includes(word))) return;
  const start = performance.now();
  const result = await measure().then(
    (text) => ({ passed: true, text }),
    (error) => ({ passed: false, text: error.message }),
  );
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  results.push({ name, ...result });
  console.log(`${result.passed ? 'pass' : 'FAIL'}  ${name.padEnd(66)} ${result.text}  ${seconds} s`);
}

function assert(condition, message) {
  if (!condition) throw new Error(message);
}

/** Runs the command line and returns its JSON output. */
async function cambium(...args) {
  const env = { ...process.env, CAMBIUM_HOME: join(scratch, 'home') };
  const command = [join(root, 'bin/cambium.mjs'), ...args, '--json'];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, command, { env, maxBuffer: 2 ** 26 });
    return JSON.parse(lastLine(stdout));
  } catch (error) {
    throw new Error(`cambium ${args[0]} (exit ${error.code}): ${errorText(error).slice(0, 300)}`);
  }
}

const lastLine = (text) => text.trim().split('\n').at(-1);

/** The message of a failed command, or the end of its error output. */
function errorText({ stdout = '', stderr = '', message }) {
  const last = lastLine(stdout);
  try {
    return JSON.parse(last).error?.message ?? last;
  } catch {
    return stderr.trim().split('\n').slice(-3).join(' ') || message;
  }
}

let folders = 0;
const newFolder = (name) => join(scratch, `${String(++folders).padStart(3, '0')}-${name}`);

/** Starts tests/parity/check.py. One process answers all jobs, because importing torch takes seconds. */
function startTransformers() {
  const child = spawn(findPython(), [join(root, 'tests/parity/check.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const readLine = async () => {
    const { value, done } = await lines.next();
    assert(!done, 'Python exited; is transformers installed there?');
    return JSON.parse(value);
  };
  return {
    versions: readLine(),
    async run(job) {
      child.stdin.write(`${JSON.stringify(job)}\n`);
      const answer = await readLine();
      assert(answer.error === undefined, answer.error);
      return answer;
    },
    close: () => child.stdin.end(),
  };
}

/** Runs `cambium grow`. Default dtype: float32, so that half-precision rounding does not hide errors. */
async function grow(source, args, { dtype = 'float32' } = {}) {
  const folder = newFolder('grown');
  await cambium('grow', source, ...args, '--out', folder, '--dtype', dtype, '--seed', '1', '--device', 'cpu');
  return folder;
}

const readConfig = (dir) => JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'));
const methodArgs = (id, { args }) => ['--method', id, ...args];
const label = (id, { args }) => `${id} ${args.filter((arg) => !arg.startsWith('--')).join(' ')}`;

/** Compares source and grown model in transformers and returns a summary. */
async function compare(transformers, source, grown, { approximate = false, mixture = false }) {
  const type = mixture ? mixtureTypes[readConfig(source).model_type] : undefined;
  const answer = await transformers.run({ kind: 'compare', source, grown, type });
  const { delta, largest, generated, finite, parameters } = answer;
  const tolerance = 1e-5 * Math.max(1, largest);
  assert(finite, 'logits are not finite');
  assert(
    approximate || delta <= tolerance,
    `max |Δlogit| ${delta.toExponential(1)} is above the tolerance ${tolerance.toExponential(1)}`,
  );
  assert(generated === 12, `generate returned ${generated} tokens`);
  const sizes = `${parameters[0]} → ${parameters[1]}`;
  return `Δ ${delta.toExponential(1)} of ${tolerance.toExponential(0)}  ${sizes}`;
}

async function checkGolden(transformers) {
  for (const name of readdirSync(golden)) {
    const source = join(golden, name);
    const config = readConfig(source);
    for (const id of methods.keys())
      for (const request of (requests[id] ?? []).filter((r) => appliesTo(r, config, id)))
        await check(`${name}: ${label(id, request)}`, async () =>
          compare(transformers, source, await grow(source, methodArgs(id, request)), request),
        );
  }
}

/** Reads and writes checkpoints whose files differ from what transformers writes today. */
async function checkUnusual() {
  for (const name of readdirSync(unusual))
    for (const more of [[], ['--export']])
      await check(`${name}: read${more.length > 0 ? ' and written' : ''} as in transformers`, async () => {
        const dir = join(unusual, name);
        const args = ['--against', 'transformers', '--python', findPython(), '--device', 'cpu', ...more];
        const { results } = await cambium('verify', dir, ...args);
        return `Δ ${results[0].maxLogit.toExponential(1)}`;
      });
}

/** Grows a trained checkpoint and compares the greedy continuation too. */
async function checkReal(transformers, name, source) {
  for (const [id, [request]] of Object.entries(requests).filter(([, [first]]) => !first.approximate))
    await check(`${name}: ${label(id, request)}, greedy text`, async () => {
      const grown = await grow(source, methodArgs(id, request), { dtype: 'keep' });
      const summary = await compare(transformers, source, grown, request);
      const { same } = await transformers.run({ kind: 'greedy', source, grown, prompt, tokens: 100 });
      assert(same === 100, `the continuation of "${prompt}" differs after ${same} tokens`);
      return `${summary}  100 tokens equal`;
    });
}

// One flag and its value per line.
// prettier-ignore
const trainArgs = [
  '--tokens', '4096',
  '--micro-batch', '4',
  '--context-length', '64',
  '--lr', '1e-3',
  '--warmup', '2',
  '--seed', '1',
  '--device', 'cpu',
];
const sampleArgs = ['--prompt', prompt, '--tokens', '40', '--temperature', '0', '--device', 'cpu'];

/** Trains and exports a checkpoint and compares text and loss. */
async function checkExport(transformers, source) {
  const text = join(scratch, 'text.txt');
  const run = newFolder('run');
  const dir = newFolder('exported');
  writeFileSync(text, toyCorpus(40_000, { seed: 9 }));
  await cambium('train', source, '--data', text, ...trainArgs, '--out', run);
  await cambium('export', run, '--out', dir);

  const theirText = (await transformers.run({ kind: 'continue', dir, prompt, tokens: 40 })).text.trim();
  const sample = await cambium('sample', dir, ...sampleArgs);
  const ourText = sample.text.replace(prompt, '').trim();
  assert(ourText === theirText, `Cambium generates "${ourText}", transformers "${theirText}"`);

  const corpus = readFileSync(text, 'utf8');
  const theirs = await transformers.run({ kind: 'loss', dir, text: corpus, sequence: 64 });
  const ours = await cambium('evaluate', dir, '--data', text, '--sequence', '64', '--device', 'cpu');
  assert(
    ours.tokens === theirs.tokens && Math.abs(ours.loss / theirs.loss - 1) < 1e-5,
    `the loss is ${ours.loss} on ${ours.tokens} tokens in Cambium, ${theirs.loss} on ${theirs.tokens} in transformers`,
  );
  const { delta } = await transformers.run({ kind: 'compare', source, grown: dir });
  assert(delta > 1e-3, 'the exported weights equal those of the source');
  const losses = `loss ${ours.loss.toFixed(6)} and ${theirs.loss.toFixed(6)} on ${ours.tokens} tokens`;
  return `40 tokens equal, ${losses}, ${delta.toFixed(2)} from its source`;
}

const transformers = startTransformers();
try {
  const versions = await transformers.versions;
  console.log(`transformers ${versions.transformers}, torch ${versions.torch}, node ${process.version}\n`);

  for (const id of methods.keys())
    if (!requests[id])
      await check(`method ${id}`, () =>
        Promise.reject(new Error('tests/parity/requests.mjs has no request')),
      );
  await checkGolden(transformers);
  await checkUnusual();
  const stories = process.env.CAMBIUM_STORIES;
  const realName = stories ? 'stories' : 'demo';
  const real = resolve(stories ?? join(root, 'resources/demo/seedling'));
  await checkReal(transformers, realName, real);
  await check(`${realName}: trained and exported`, () => checkExport(transformers, real));
} finally {
  transformers.close();
  rmSync(scratch, { recursive: true, force: true });
}

const failed = results.filter(({ passed }) => !passed);
console.log(`\n${results.length - failed.length} passed, ${failed.length} failed`);
for (const { name } of failed) console.log(`  failed: ${name}`);
process.exitCode = failed.length > 0 || results.length === 0 ? 1 : 0;
