/**
 * @file How long it takes to open a checkpoint of the size of Llama 3.1 70B and to plan its growth:
 * `node tests/bench/headers.ts`. The weights are holes in sparse files; only headers are read.
 */
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyById } from '../../src-main/model/families/index.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { countElements } from '../../src-main/tensor/layout.ts';

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 8192,
  intermediate_size: 28_672,
  num_hidden_layers: 80,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  vocab_size: 128_256,
  max_position_embeddings: 131_072,
  rms_norm_eps: 1e-5,
  rope_theta: 5e5,
  torch_dtype: 'bfloat16',
};
const shards = 30;
const runs = 15;

/** Writes the folder: config.json, the index, and shards whose weights are holes. */
function writeCheckpoint(dir: string): void {
  const family = familyById('llama');
  const parameters = parametersOf(family, dimsOf(family, config), settingsOf(family, config));
  const perShard = Math.ceil(parameters.length / shards);
  const files: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-${String(shard + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.safetensors`;
    let offset = 0;
    const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
    for (const { name, shape } of parameters.slice(shard * perShard, (shard + 1) * perShard)) {
      const end = offset + 2 * countElements(shape);
      header[name] = { dtype: 'BF16', shape, data_offsets: [offset, end] };
      offset = end;
      files[name] = file;
    }
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const handle = openSync(join(dir, file), 'w');
    writeSync(handle, Buffer.concat([length, text]));
    closeSync(handle);
    truncateSync(join(dir, file), 8 + text.length + offset);
  }
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  writeFileSync(
    join(dir, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: {}, weight_map: files }),
  );
}

const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1]!;

/** Milliseconds of the first run, and the median of the others. */
async function measure(name: string, work: () => unknown): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i <= runs; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  const [first, ...others] = times as [number, ...number[]];
  console.log(`${name.padEnd(34)} first ${first.toFixed(1)} ms, then ${median(others).toFixed(1)} ms`);
}

const dir = mkdtempSync(join(tmpdir(), 'cambium-headers-'));
try {
  writeCheckpoint(dir);
  await measure('open (config, index, 30 headers)', () => openCheckpoint(dir));
  const { config: read, settings, dims, summary } = await openCheckpoint(dir);
  const source = { family: summary.family, dims, settings, config: read, tensors: summary.tensors };
  for (const [method, to] of [
    ['hypercloning', { hidden: 16_384, ffn: 57_344 }],
    ['expand', { hidden: 12_288, ffn: 40_960 }],
    ['identity', { layers: 96 }],
  ] as const)
    await measure(`plan ${method}`, () =>
      planGrowth(source, { method, to, options: {}, seed: 1, dtype: 'keep' }),
    );
} finally {
  rmSync(dir, { recursive: true, force: true });
}
