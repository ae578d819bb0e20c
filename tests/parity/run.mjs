/**
 * @file `npm run test:parity`: what Cambium writes, opened in real transformers. Grows every golden
 * checkpoint by every method, a real one too, trains and exports one, and compares logits and text.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { methods } from '../../src-main/growth/methods/index.ts';
import { python } from './python.ts';
import { toyCorpus } from '../../src-main/train/toy-corpus.ts';

const root = resolve(import.meta.dirname, '../..');
const golden = join(root, 'tests/fixtures/golden');
const only = process.argv.slice(2);
const prompt = 'Once upon a time';

/**
 * What to ask of each method: arguments of `cambium grow`. The first of each is also asked of the real
 * checkpoint, unless it is approximate: then only that transformers opens the result, computes finite logits
 * and writes. `mixes`: another family with experts comes out.
 */
const requests = {
  hypercloning: [
    { args: ['--times', 'hidden=2,ffn=2'] },
    { args: ['--times', 'hidden=3,ffn=2', '--option', 'noise=none'] },
    { args: ['--times', 'hidden=2,ffn=3', '--option', 'variant=diagonal'] },
  ],
  expand: [
    { args: ['--times', 'hidden=2,ffn=2'] },
    { args: ['--to', 'hidden=40,ffn=130'], family: 'gpt2' },
    { args: ['--to', 'hidden=36,ffn=50'], family: 'llama' },
    { args: ['--times', 'group=2'], family: 'llama' },
    { args: ['--times', 'head_dim=2'], family: /^(llama|mistral|mixtral|qwen|gemma|olmo|phi3)/ },
    { args: ['--to', 'hidden=36,heads=3'], family: /^(gpt_neox|stablelm)$/ },
  ],
  identity: [{ args: ['--to', 'layers=7'] }, { args: ['--to', 'layers=5'] }],
  'clone-pad': [{ args: ['--times', 'hidden=2,ffn=3'] }, { args: ['--times', 'ffn=2'] }],
  net2net: [{ args: ['--times', 'ffn=2'] }],
  'copy-pad': [{ args: ['--times', 'ffn=2', '--option', 'fill=random'], approximate: true }],
  'shrink-perturb': [{ args: ['--times', 'ffn=2'], approximate: true }],
  aki: [{ args: ['--times', 'ffn=2'], approximate: true }],
  stack: [{ args: ['--times', 'layers=2'], approximate: true }],
  interleave: [{ args: ['--times', 'layers=2'], approximate: true }],
  solar: [{ args: ['--option', 'n=2', '--option', 'k=0'], approximate: true }],
  upcycle: [
    { args: ['--option', 'router=0.3'], mixes: true },
    {
      args: [
        '--option',
        'experts=8',
        '--option',
        'active=4',
        '--option',
        'shards=2',
        '--option',
        'router=0.3',
      ],
      mixes: true,
    },
    { args: ['--option', 'weights=shares'], mixes: true, family: /^qwen/, approximate: true },
    { args: ['--option', 'shards=2', '--option', 'scale=thirds'], mixes: true, approximate: true },
  ],
  vocab: [{ args: ['--times', 'vocab=2'] }],
};

/** What dense families become, and which of their configs cannot. */
const mixtures = { llama: 'mixtral', mistral: 'mixtral', qwen2: 'qwen2_moe', qwen3: 'qwen3_moe' };
const cannotMix = ({
  model_type: type,
  attention_bias: attention,
  mlp_bias: mlp,
  use_sliding_window: slides,
  layer_types: types,
}) =>
  !(type in mixtures) ||
  (type === 'llama' && (attention || mlp)) ||
  (type === 'qwen3' && slides && new Set(types).size > 1);

const scratch = mkdtempSync(join(tmpdir(), 'cambium-parity-'));
const rows = [];
let made = 0;

/** One row of the table: `work` answers what was measured, or throws why it failed. */
async function check(name, work) {
  if (only.length && !only.some((word) => name.includes(word))) return;
  const start = performance.now();
  const row = await work().then(
    (measured) => ({ ok: true, measured }),
    (error) => ({ ok: false, measured: error.message }),
  );
  rows.push({ name, ...row });
  console.log(
    `${row.ok ? 'pass' : 'FAIL'}  ${name.padEnd(66)} ${row.measured}  ${((performance.now() - start) / 1000).toFixed(1)} s`,
  );
}

const must = (held, why) => {
  if (!held) throw new Error(why);
};

/** Why a command failed: its error's sentence, or the end of what it wrote. */
function saidBy({ stdout = '', stderr = '', message }) {
  const last = stdout.trim().split('\n').at(-1);
  try {
    return JSON.parse(last).error?.message ?? last;
  } catch {
    return stderr.trim().split('\n').slice(-3).join(' ') || message;
  }
}

/** A command of the real command line; answers its one JSON object. */
async function cambium(...args) {
  const home = join(scratch, 'home');
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(root, 'bin/cambium.mjs'), ...args, '--json'],
      { env: { ...process.env, CAMBIUM_HOME: home }, maxBuffer: 2 ** 26 },
    );
    return JSON.parse(stdout.trim().split('\n').at(-1));
  } catch (error) {
    throw new Error(`cambium ${args[0]} (exit ${error.code}): ${saidBy(error).slice(0, 300)}`);
  }
}

const out = (name) => join(scratch, `${String(++made).padStart(3, '0')}-${name}`);

/** One Python for all questions: importing torch takes seconds. */
function transformers() {
  const child = spawn(python(), [join(root, 'tests/parity/check.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    must(!done, 'Python ended; is transformers installed there?');
    return JSON.parse(value);
  };
  return {
    ready: next(),
    async ask(job) {
      child.stdin.write(`${JSON.stringify(job)}\n`);
      const answer = await next();
      must(answer.error === undefined, answer.error);
      return answer;
    },
    close: () => child.stdin.end(),
  };
}

async function compared(peer, source, grown, { approximate = false, mixes = false } = {}) {
  const type = mixes ? mixtures[configOf(source).model_type] : undefined;
  const { delta, largest, written, finite, parameters } = await peer.ask({
    kind: 'compare',
    source,
    grown,
    type,
  });
  const most = 1e-5 * Math.max(1, largest);
  must(finite, 'logits are not finite');
  must(
    approximate || delta <= most,
    `max |Δlogit| ${delta.toExponential(1)} where ${most.toExponential(1)} is allowed`,
  );
  must(written === 12, `generate wrote ${written} tokens`);
  return `Δ ${delta.toExponential(1)} of ${most.toExponential(0)}  ${parameters[0]} → ${parameters[1]}`;
}

/** `cambium grow`, with half-precision weights widened so that rounding does not hide an error. */
async function grow(source, args, { dtype = 'float32' } = {}) {
  const folder = out('grown');
  await cambium('grow', source, ...args, '--out', folder, '--dtype', dtype, '--seed', '1', '--device', 'cpu');
  return folder;
}

const configOf = (dir) => JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'));
const methodArgs = (id, { args }) => ['--method', id, ...args];
const label = (id, { args }) => `${id} ${args.filter((a) => !a.startsWith('--')).join(' ')}`;

const peer = transformers();
try {
  const { torch, transformers: version } = await peer.ready;
  console.log(`transformers ${version}, torch ${torch}, node ${process.version}\n`);

  for (const id of methods.keys())
    if (!requests[id])
      await check(`method ${id}`, () => Promise.reject(new Error('tests/parity/run.mjs asks nothing of it')));

  for (const name of readdirSync(golden)) {
    const source = join(golden, name);
    const config = configOf(source);
    const family = config.model_type;
    const asked = ({ family: of = family, mixes }) =>
      (of instanceof RegExp ? of.test(family) : of === family) && !(mixes && cannotMix(config));
    for (const id of methods.keys())
      for (const request of (requests[id] ?? []).filter(asked))
        await check(`${name}: ${label(id, request)}`, async () =>
          compared(peer, source, await grow(source, methodArgs(id, request)), request),
        );
  }

  const real = resolve(process.env.CAMBIUM_STORIES ?? join(root, 'resources/demo/seedling'));
  const realName = process.env.CAMBIUM_STORIES ? 'stories' : 'demo';
  for (const [id, [request]] of Object.entries(requests).filter(([, [{ approximate }]]) => !approximate))
    await check(`${realName}: ${label(id, request)}, greedy text`, async () => {
      const grown = await grow(real, methodArgs(id, request), { dtype: 'keep' });
      const measured = await compared(peer, real, grown, request);
      const { same } = await peer.ask({ kind: 'greedy', source: real, grown, prompt, tokens: 100 });
      must(same === 100, `the continuation of "${prompt}" differs after ${same} tokens`);
      return `${measured}  100 tokens alike`;
    });

  await check(`${realName}: trained, exported, opened`, async () => {
    const text = join(scratch, 'text.txt');
    const run = out('run');
    const exported = out('exported');
    writeFileSync(text, toyCorpus(40_000, { seed: 9 }));
    await cambium(
      'train',
      real,
      '--data',
      text,
      '--tokens',
      '4096',
      '--batch',
      '4',
      '--sequence',
      '64',
      '--lr',
      '1e-3',
      '--warmup',
      '2',
      '--seed',
      '1',
      '--device',
      'cpu',
      '--out',
      run,
    );
    await cambium('export', run, '--out', exported);
    const theirs = await peer.ask({ kind: 'continue', dir: exported, prompt, tokens: 40 });
    const ours = await cambium(
      'sample',
      exported,
      '--prompt',
      prompt,
      '--tokens',
      '40',
      '--temperature',
      '0',
      '--device',
      'cpu',
    );
    must(
      ours.text.replace(prompt, '').trim() === theirs.text.trim(),
      `it writes "${ours.text}" here and "${theirs.text}" there`,
    );
    const [there, here] = [
      await peer.ask({ kind: 'loss', dir: exported, text: readFileSync(text, 'utf8'), sequence: 64 }),
      await cambium('evaluate', exported, '--data', text, '--sequence', '64', '--device', 'cpu'),
    ];
    must(
      here.tokens === there.tokens && Math.abs(here.loss / there.loss - 1) < 1e-5,
      `its loss on ${here.tokens} tokens is ${here.loss} here, on ${there.tokens} ${there.loss} there`,
    );
    const moved = await peer.ask({ kind: 'compare', source: real, grown: exported });
    must(moved.delta > 1e-3, "the exported weights are the source's");
    return `40 tokens alike, loss ${here.loss.toFixed(6)} and ${there.loss.toFixed(6)} on ${here.tokens} tokens, ${moved.delta.toFixed(2)} from its source`;
  });
} finally {
  peer.close();
  rmSync(scratch, { recursive: true, force: true });
}

const failed = rows.filter((row) => !row.ok);
console.log(`\n${rows.length - failed.length} passed, ${failed.length} failed`);
for (const { name } of failed) console.log(`  failed: ${name}`);
process.exitCode = failed.length || rows.length === 0 ? 1 : 0;
