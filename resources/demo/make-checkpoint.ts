/**
 * @file Trains the demo checkpoint, resources/demo/seedling, from random weights on the toy corpus. Run
 * `node resources/demo/make-checkpoint.ts OUT`; it takes a few minutes on two cores.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { AbortSignalLike } from '../../src-main/base/signals.ts';
import { exportRun } from '../../src-main/engine/export/export-job.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { createCheckpointWriter } from '../../src-main/store/checkpoint/checkpoint-writer.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { countElements } from '../../src-main/tensor/layout.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
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
const settings: TrainingSettings = {
  ...trainingDefaults,
  tokens: 1_100_000,
  microBatch: 16,
  contextLength: 128,
  lr: 4e-3,
  schedule: 'wsd',
  decayFraction: 0.3,
  minLrRatio: 0.02,
  warmupSteps: 60,
  init: 'random',
  seed: 1,
  device: 'cpu',
  saveEvery: 500,
  evaluateEvery: 250,
  sampleEvery: 1000,
};
const neverAborted: AbortSignalLike = {
  aborted: false,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};

/** Writes a checkpoint of zeros with the tokenizer of the demo: the run only reads its shapes. */
async function writeEmptyCheckpoint(target: string): Promise<void> {
  const family = familyOf(config);
  const parameters = parametersOf(family, dimsOf(family, config), settingsOf(family, config));
  const writer = await createCheckpointWriter({
    target,
    family,
    config,
    tensors: parameters.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
    auxiliaryFilesFrom: join(import.meta.dirname, 'seedling'),
  });
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  for (const name of writer.order) {
    await writer.write(name, new Uint8Array(4 * countElements(shapes.get(name)!)));
  }
  await writer.finish();
}

const log = (event: object): void => {
  process.stderr.write(`${JSON.stringify(event)}\n`);
};

try {
  const checkpoint = join(work, 'empty');
  const corpus = join(work, 'stories.jsonl');
  const run = join(work, 'run');
  await writeEmptyCheckpoint(checkpoint);
  writeFileSync(corpus, toyLines(10_000_000, { seed: 0 }));
  await createRun(run, { checkpoint, data: [corpus], name: 'demo source', settings });
  for await (const event of train({ run }, neverAborted)) {
    if (event.type !== 'step' || event.step % 50 === 0) log(event);
  }
  for await (const event of exportRun({ run, out, dtype: 'float32' }, neverAborted)) {
    if (event.type === 'done') log(event);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
