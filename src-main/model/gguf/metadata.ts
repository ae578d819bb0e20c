/** @file The metadata of a GGUF file that describes the model: sizes, norms, positions, experts. */
import type { GgufArchitecture, GgufModel } from './architecture.ts';
import { ggufWindowOf } from './attention-window.ts';
import { bool, float32, ggufTypes, string, uint32, type GgufEntries, type GgufType } from './values.ts';

/** `GGML_QUANT_VERSION` of ggml.h. */
const quantizationVersion = 2;

type Entry = GgufEntries[number];
/** The entries whose value is a number; the others are left out. */
const numbers = (
  create: (value: number) => Entry[1],
  values: Readonly<Record<string, number | undefined>>,
): readonly Entry[] =>
  Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, create(value)]]));

function attentionEntries(model: GgufModel, architecture: GgufArchitecture): readonly Entry[] {
  const { family, dims, settings } = model;
  const kvHeads = dims['heads'] ?? dims['kv_heads']!;
  const eps = Number(settings['eps']);
  const { contextLength, sliding } = ggufWindowOf(model, architecture)!;
  const softcap = (name: 'attnLogitSoftcap' | 'finalLogitSoftcap'): number | undefined => {
    const cap = settings[name];
    return typeof cap === 'number' ? cap : undefined;
  };
  return [
    ...numbers(uint32, {
      context_length: contextLength,
      'attention.head_count': kvHeads * (dims['group'] ?? 1),
      'attention.head_count_kv': kvHeads,
      'attention.key_length': dims['head_dim']!,
      'attention.value_length': dims['head_dim']!,
      'attention.sliding_window': sliding?.window,
      'attention.sliding_window_pattern': sliding?.period,
    }),
    ...numbers(float32, {
      [`attention.layer_norm_${family.stream.norm === 'rms' ? 'rms_' : ''}epsilon`]: eps,
      attn_logit_softcapping: softcap('attnLogitSoftcap'),
      final_logit_softcapping: softcap('finalLogitSoftcap'),
    }),
  ];
}

function ropeEntries({ family, dims, settings }: GgufModel): readonly Entry[] {
  if (!family.rope) return [];
  const width = Math.trunc(dims['head_dim']! * Number(settings['partialRotaryFactor'] ?? 1));
  const isLinear = settings['ropeType'] === 'linear';
  const local = settings['ropeLocalTheta'];
  // NTK-aware scaling by alpha is one of the base.
  const hasAlpha = settings['ropeType'] === 'ntk-alpha';
  const stretch = hasAlpha ? Number(settings['ropeAlpha']) ** (width / (width - 2)) : 1;
  const ropeBase = Number(settings['ropeTheta']) * stretch;
  return [
    ...numbers(uint32, { 'rope.dimension_count': width }),
    ...numbers(float32, {
      'rope.freq_base': ropeBase,
      'rope.freq_base_swa': local === undefined ? undefined : Number(local),
      'rope.scaling.factor': isLinear ? Number(settings['ropeFactor']) : undefined,
    }),
    ...(isLinear ? [['rope.scaling.type', string('linear')] as const] : []),
  ];
}

function expertEntries({ dims, settings }: GgufModel): readonly Entry[] {
  if (dims['experts'] === undefined) return [];
  return numbers(uint32, {
    expert_count: dims['experts'],
    expert_used_count: Number(settings['expertsPerToken']),
    expert_feed_forward_length: dims['ffn'],
    expert_shared_feed_forward_length: dims['shared_ffn'],
  });
}

/** The entries of a model whose weights have the type `type`, in the order of llama.cpp's converter. */
export function ggufMetadataOf(
  model: GgufModel,
  architecture: GgufArchitecture,
  type: GgufType,
): GgufEntries {
  const { dims, settings } = model;
  const own: readonly Entry[] = [
    ...numbers(uint32, {
      block_count: dims['layers'],
      embedding_length: dims['hidden'],
      feed_forward_length: dims['ffn'],
      vocab_size: dims['vocab'],
    }),
    ...attentionEntries(model, architecture),
    ...ropeEntries(model),
    ...expertEntries(model),
    ...numbers(float32, architecture.constants ?? {}),
    ...Object.entries(architecture.multipliers ?? {}).map(([key, name]): Entry => [
      key,
      float32(Number(settings[name])),
    ]),
    ...(settings['parallelResidual'] === undefined
      ? []
      : [['use_parallel_residual', bool(settings['parallelResidual'] === true)] as const]),
  ];
  return [
    ['general.architecture', string(architecture.name)],
    ['general.type', string('model')],
    ['general.file_type', uint32(ggufTypes[type].fileType)],
    ['general.quantization_version', uint32(quantizationVersion)],
    ...own.map(([key, value]): Entry => [`${architecture.name}.${key}`, value]),
  ];
}

/** What llama.cpp does otherwise than the model, as sentences without a full stop. */
export function ggufNotesOf(model: GgufModel, architecture: GgufArchitecture): readonly string[] {
  const approximation = architecture.approximations?.[String(model.settings['activation'])];
  const { note } = ggufWindowOf(model, architecture)!;
  return [approximation, note].filter((text) => text !== undefined);
}
