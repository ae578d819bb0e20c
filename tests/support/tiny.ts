/** @file Writes tiny random checkpoints of any family, with an optional tokenizer, as Hugging Face folders. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import type { Json, JsonObject } from '../../src-main/base/json.ts';
import { configWith, dimsOf, settingsOf, withDerivedDims } from '../../src-main/model/config.ts';
import { familyById } from '../../src-main/model/families/index.ts';
import { parametersOf, type Parameter } from '../../src-main/model/parameters.ts';
import type { SettingName } from '../../src-main/model/settings.ts';
import type { NameStyle } from '../../src-main/model/tensor-names.ts';
import { createCheckpointWriter } from '../../src-main/store/checkpoint/checkpoint-writer.ts';
import { downcast, type WeightDType } from '../../src-main/tensor/dtype.ts';
import { countElements, type Dims } from '../../src-main/tensor/layout.ts';
import { freePath } from './temporary.ts';

export interface TinyOptions {
  /** The folder to create. Default: a new one in the system's temporary folder. */
  readonly dir?: string;
  /** Sizes to use instead of the tiny ones. */
  readonly dims?: Dims;
  /** Settings by Cambium's names, such as `tied`. */
  readonly settings?: Readonly<Partial<Record<SettingName, Json>>>;
  /** Further keys of config.json. */
  readonly config?: JsonObject;
  readonly dtype?: WeightDType;
  /** Approximate number of files. */
  readonly shards?: number;
  readonly nameStyle?: NameStyle;
  readonly seed?: number;
  /** Adds a byte-level tokenizer of 260 tokens. The vocabulary gets the same size unless `dims` sets it. */
  readonly tokenizer?: boolean;
}

const sizes: Dims = {
  vocab: 64,
  positions: 64,
  hidden: 16,
  heads: 2,
  kv_heads: 2,
  group: 2,
  head_dim: 4,
  ffn: 24,
  embed: 8,
  layers: 2,
  experts: 4,
  shared: 1,
  shared_ffn: 12,
};

/** Config keys that a family needs and that follow from no size or setting. */
const requiredConfig: Readonly<Record<string, JsonObject>> = {
  'falcon-alibi': { multi_query: false, alibi: true, parallel_attn: false, bias: true },
  'opt-projected': { do_layer_norm_before: false },
  stablelm: { partial_rotary_factor: 0.5 },
  gptj: { rotary_dim: 4 },
  granite: {
    embedding_multiplier: 3,
    residual_multiplier: 0.4,
    attention_multiplier: 0.3,
    logits_scaling: 2,
  },
  'qwen2-moe': { num_experts_per_tok: 3, norm_topk_prob: false },
  olmoe: { num_experts_per_tok: 2 },
  'qwen3-moe': { num_experts_per_tok: 2, norm_topk_prob: true },
};

/** Config keys that list one value per layer and have no default for so few. */
export const layeredConfig: Readonly<Record<string, (layers: number) => JsonObject>> = {
  gpt_neo: (layers) => {
    const types = Array.from({ length: layers }, (_, i) => (i % 2 === 0 ? 'global' : 'local'));
    return { attention_types: [[types, 1]] };
  },
};

/** The config.json of a tiny model of this family. */
export function tinyConfig(
  id: string,
  { dims = {}, settings = {}, config = {}, dtype = 'float32', tokenizer = false }: TinyOptions = {},
): JsonObject {
  const family = familyById(id);
  const settingKeys = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [family.settings[name as SettingName]!.keys[0]!, value]),
  );
  const allSizes: Dims = { ...sizes, ...(tokenizer ? { vocab: tinyVocab } : {}), ...dims };
  const familySizes = Object.fromEntries(Object.keys(family.dims).map((axis) => [axis, allSizes[axis]!]));
  return configWith(
    family,
    {
      architectures: [family.architecture],
      model_type: family.modelTypes[0]!,
      bos_token_id: 0,
      eos_token_id: 0,
      torch_dtype: dtype,
      ...requiredConfig[id],
      ...layeredConfig[id]?.(allSizes['layers']!),
      ...settingKeys,
      ...config,
    },
    withDerivedDims(family, familySizes),
  );
}

/**
 * Random values of one weight: gains around 1, everything else around 0. Linear layers roughly keep the
 * magnitude of their input.
 */
export function tinyValues(
  { name, spec, shape }: Pick<Parameter, 'name' | 'spec' | 'shape'>,
  dims: Dims,
  seed: number,
): Float32Array {
  const inAxes = spec.layout.axes.filter(({ role }) => role === 'in');
  const fanIn = inAxes.reduce((product, { axis }) => product * dims[axis]!, 1);
  const std = { gain: 0.2, linear: fanIn ** -0.5, lookup: 0.7, shift: 0.1, bias: 0.1 }[spec.kind];
  const mean = spec.kind === 'gain' ? 1 - spec.offset : 0;
  const key = deriveKey(seed, 'tiny', name);
  return Float32Array.from({ length: countElements(shape) }, (_, i) => mean + std * normalAt(key, i));
}

/** Writes a checkpoint folder and returns its path. */
export async function makeTinyCheckpoint(id: string, options: TinyOptions = {}): Promise<string> {
  const { dtype = 'float32', shards = 1, nameStyle = 'causal', seed = 1, tokenizer = false } = options;
  const family = familyById(id);
  const config = tinyConfig(id, options);
  const dims = dimsOf(family, config);
  const all = parametersOf(family, dims, settingsOf(family, config));
  const target = options.dir ?? freePath(`tiny-${id}`);
  const bytes = all.reduce(
    (sum, { shape }) => sum + downcast(new Float32Array(countElements(shape)), dtype).byteLength,
    0,
  );
  const writer = await createCheckpointWriter({
    target,
    family,
    nameStyle,
    config,
    tensors: all.map(({ name, shape }) => ({ name, shape, dtype })),
    ...(shards > 1 ? { maxShardBytes: Math.ceil(bytes / shards) } : {}),
  });
  const byName = new Map(all.map((parameter) => [parameter.name, parameter]));
  for (const name of writer.order)
    await writer.write(name, downcast(tinyValues(byName.get(name)!, dims, seed), dtype));
  await writer.finish();
  if (tokenizer) writeTinyTokenizer(target);
  return target;
}

const endOfText = '<|endoftext|>';
const merges: readonly (readonly [string, string])[] = [
  ['Ġ', 't'],
  ['h', 'e'],
  ['Ġt', 'he'],
];
export const tinyVocab = 1 + 256 + merges.length;

/** The printable characters that GPT-2's tokenizer uses for the 256 bytes. */
function byteLetters(): readonly string[] {
  let next = 256;
  const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
}

/** A byte-level BPE tokenizer: the end-of-text token, the 256 bytes, then three merges. */
export function writeTinyTokenizer(dir: string): void {
  const words = [endOfText, ...byteLetters(), ...merges.map(([a, b]) => a + b)];
  writeFileSync(
    join(dir, 'tokenizer.json'),
    JSON.stringify({
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [
        {
          id: 0,
          content: endOfText,
          single_word: false,
          lstrip: false,
          rstrip: false,
          normalized: false,
          special: true,
        },
      ],
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: '',
        end_of_word_suffix: '',
        fuse_unk: false,
        byte_fallback: false,
        vocab: Object.fromEntries(words.map((word, i) => [word, i])),
        merges,
      },
    }),
  );
  writeFileSync(
    join(dir, 'tokenizer_config.json'),
    JSON.stringify({
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: endOfText,
      eos_token: endOfText,
      clean_up_tokenization_spaces: false,
    }),
  );
}
