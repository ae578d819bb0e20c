/**
 * @file Makes resources/demo/seedling: our own trainer, random weights, the toy corpus. `node
 * resources/demo/make-checkpoint.ts OUT` (a few minutes on two cores).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { exportRun } from '../../src-main/engine/export/export-job.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { createCheckpointWriter } from '../../src-main/store/checkpoint/checkpoint-writer.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { countOf } from '../../src-main/tensor/layout.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { toyLines } from '../../src-main/train/toy-corpus.ts';

const out = resolve(process.argv[2] ?? 'demo-checkpoint');
const work = mkdtempSync(join(tmpdir(), 'cambium-demo-'));
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 1024,
  hidden_size: 128,
  intermediate_size: 344,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  bos_token_id: 0,
  eos_token_id: 0,
  initializer_range: 0.02,
  torch_dtype: 'float32',
};
const settings = {
  ...trainingDefaults,
  tokens: 1_100_000,
  batch: 16,
  sequence: 128,
  lr: 4e-3,
  schedule: 'wsd' as const,
  cooldown: 0.3,
  floor: 0.02,
  warmup: 60,
  start: 'random' as const,
  seed: 1,
  device: 'cpu' as const,
  saveEvery: 500,
  evaluateEvery: 250,
  sampleEvery: 1000,
};
const quiet = { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined };

try {
  const family = familyOf(config);
  const tensors = parametersOf(family, dimsOf(family, config), settingsOf(family, config)).map(
    ({ name, shape }) => ({ name, shape, dtype: 'float32' as const }),
  );
  const empty = join(work, 'empty');
  const writer = await createCheckpointWriter({
    target: empty,
    family,
    config,
    tensors,
    sideFilesFrom: join(import.meta.dirname, 'seedling'),
  });
  for (const name of writer.order)
    await writer.write(name, new Uint8Array(4 * countOf(tensors.find((t) => t.name === name)!.shape)));
  await writer.finish();
  const corpus = join(work, 'stories.jsonl');
  const run = join(work, 'run');
  writeFileSync(corpus, toyLines(10_000_000, { seed: 0 }));
  await createRun(run, { checkpoint: empty, data: [corpus], name: 'demo source', settings });
  for await (const event of train({ run }, quiet))
    if (event.at !== 'step' || event.step % 50 === 0) process.stderr.write(`${JSON.stringify(event)}\n`);
  for await (const event of exportRun({ run, out, dtype: 'float32' }, quiet))
    if (event.at === 'done') process.stderr.write(`${JSON.stringify(event)}\n`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
