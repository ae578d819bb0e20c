/**
 * @file What a model family is: its sizes, its settings, its weights and its forward pass, as one table that
 * everything else reads.
 */
import type { Json, JsonObject } from '../base/json.ts';
import type { Value } from '../graph/graph.ts';
import { layoutOf, type Axis, type Dims, type Layout } from '../tensor/layout.ts';
import type { Reader } from './layers.ts';
import type { NamedValue } from './named.ts';

export type SettingValue = number | boolean | string | null | readonly string[];
/** What is not a size: eps, tied, rotary base, activation. */
export type Settings = Readonly<Record<string, SettingValue>>;

/** `linear` multiplies, `lookup` is picked from, `gain` and `shift` belong to a norm, `bias` to a linear. */
export type TensorKind = 'linear' | 'lookup' | 'gain' | 'shift' | 'bias';

export interface TensorSpec {
  readonly kind: TensorKind;
  readonly layout: Layout;
  /** A gain stored minus this (1 for families that store gains minus one). */
  readonly offset: number;
  /** The setting that must be true for the weight to exist; absent means always. */
  readonly when?: string;
  /**
   * Of a gain: the line of the linear whose output its norm reads, such as q/k norms and norms at the end of
   * a branch; absent means that it reads the stream.
   */
  readonly normalizes?: string;
  /** Of a linear: it reads the stream as it is (`stream`), or through a norm that has no gain (`norm`). */
  readonly unscaledInput?: 'stream' | 'norm';
}

/** How one size is read from config.json and written back. `keys` are all config keys it may touch. */
export interface SizeField {
  readonly keys: readonly string[];
  /**
   * Undefined when config.json does not say (and `fallback` decides). `dims` holds the sizes above it in the
   * table.
   */
  read(config: JsonObject, dims: Dims): Json | undefined;
  readonly fallback?: (dims: Dims) => number;
  /** The config keys and values that say this size; a consequence of others writes nothing. */
  write(dims: Dims, axis: string): JsonObject;
}

/** How one setting is read from config.json. Settings are kept as they are when a model grows. */
export interface SettingField {
  readonly keys: readonly string[];
  read(config: JsonObject): SettingValue;
}

export interface Constraint {
  /** The size to change when it does not hold. */
  readonly axis: Axis;
  readonly why: string;
  holds(dims: Dims): boolean;
}

/** How a dense model becomes a mixture of experts of this family: sparse upcycling, methods.md 7.8. */
export interface Mixture {
  /** The dense families whose MLP an expert is. */
  readonly denseFamilies: readonly string[];
  /**
   * The dense line that a line of this table is a copy of, where they have not one name. Lines without any
   * are routers, and drawn.
   */
  readonly copiedFrom: Readonly<Record<string, string>>;
  /** Lines that start as zeros. */
  readonly zeroOutput?: readonly string[];
  /** Whether config.json can say that the weights of the chosen experts are not made to sum to one. */
  readonly hasNormTopkProb: boolean;
  /** Sizes that follow from those of the dense model. */
  readonly dims?: (dense: Dims) => Dims;
  /**
   * config.json of a dense model as one of this family, sizes aside; `sums` says whether chosen weights sum
   * to one. Refuses what this family cannot say.
   */
  config(dense: JsonObject, settings: Settings, sums: boolean): JsonObject;
}

/**
 * The two norms of a layer of a post-norm family, as prefixes of table lines: after attention, and after the
 * MLP, whose output is the layer's.
 */
export interface PostNorm {
  readonly afterAttention: string;
  readonly afterMlp: string;
}

export interface ModelFamily {
  readonly id: string;
  readonly title: string;
  /** The `model_type` values of config.json that mean this family. */
  readonly modelTypes: readonly string[];
  /** The `architectures` entry of a config.json that lacks one. */
  readonly architecture: string;
  /** Where one model_type covers two tables: whether a config.json is of this one. Always, when absent. */
  readonly matches?: (config: JsonObject) => boolean;
  /** In the order in which they are read. */
  readonly dims: Readonly<Record<string, SizeField>>;
  readonly settings: Readonly<Record<string, SettingField>>;
  /** Sizes of part axes such as qkv, and the names of their entries. */
  readonly parts: Readonly<Partial<Record<Axis, readonly string[]>>>;
  /**
   * The residual stream: its axis and the kind of norm that reads it. `post`: norms stand on the stream
   * itself, so that only whole copies of it keep the function (methods.md 1.6).
   */
  readonly stream: { readonly axis: Axis; readonly norm: 'layer' | 'rms'; readonly postNorm?: PostNorm };
  /**
   * The output head, the table it may be tied to, and the norm before it; none where a matrix stands between.
   * `cap` is the setting with the bound c of logits c · tanh(logit / c).
   */
  readonly head: {
    readonly weight: string;
    readonly tiedTo: string;
    readonly norm?: string;
    readonly softcap?: string;
  };
  /**
   * Scores sum over `over`, between these weights (`name/part` for an entry of a fused triple), times `scale`
   * (up to a number that no size changes).
   */
  readonly scores: { readonly over: Axis; readonly between: readonly string[]; scale(dims: Dims): number };
  /** What embeddings are multiplied by in the forward pass; 1 when absent. */
  readonly embedScale?: (dims: Dims, settings: Settings) => number;
  /** Axes that cannot grow, with the reason. */
  readonly frozen: Readonly<Partial<Record<Axis, string>>>;
  readonly constraints: readonly Constraint[];
  /**
   * What it is made from, where its MLPs are mixtures of experts; the settings then say under `active` how
   * many of the `experts` a token passes, and under `balance` what share of their unevenness training adds to
   * the loss.
   */
  readonly mixture?: Mixture;
  /** All weights; `{layer}` and `{expert}` stand for their numbers. The head is listed even when tied. */
  readonly tensors: Readonly<Record<string, TensorSpec>>;
  /** llama.cpp's convert_hf_to_gguf.py knows it. */
  readonly gguf?: true;
  /** Prefixes that some checkpoints carry before every name. */
  readonly prefixes: readonly string[];
  /** Buffers of old files that are not weights. */
  readonly ignoredKeys: readonly RegExp[];
  /**
   * Config keys whose numbers transformers takes with a fraction only, so that 30 must be written as 30.0.
   */
  readonly floatKeys?: readonly string[];
  /** Config values that the forward pass does not compute: throws a refusal that names the key. */
  assertSupported(config: JsonObject): void;
  /** Config values that say something of every layer, for a model whose layer i was layer `sources[i]`. */
  readonly remapLayers?: (config: JsonObject, sources: readonly number[]) => JsonObject;
  /**
   * The last norm's output, tokens [batch, seq] → [batch, seq, hidden]; the head is applied by whoever reads
   * it.
   */
  forward(m: Reader, tokens: Value): NamedValue;
}

/** The line of a family's table that a weight's name is of. */
export const tensorKey = (name: string): string =>
  name.replace(/\.\d+\./, '.{layer}.').replace(/\.\d+\./, '.{expert}.');

export const linear = (layout: string, when?: string): TensorSpec => spec('linear', layout, when);
export const lookup = (layout: string): TensorSpec => spec('lookup', layout);
export const gain = (layout: string, when?: string): TensorSpec => spec('gain', layout, when);
export const shift = (layout: string, when?: string): TensorSpec => spec('shift', layout, when);
export const bias = (layout: string, when?: string): TensorSpec => spec('bias', layout, when);
const spec = (kind: TensorKind, layout: string, when?: string): TensorSpec => ({
  kind,
  layout: layoutOf(layout),
  offset: 0,
  ...(when === undefined ? {} : { when }),
});

/** The gain of a norm that reads the output of the linear `of` (a line of the table), not the stream. */
export const outputGain = (of: string, layout: string, when?: string): TensorSpec => ({
  ...gain(layout, when),
  normalizes: of,
});

/** A linear that no gain stands before. */
export const unscaledLinear = (reads: 'stream' | 'norm', layout: string): TensorSpec => ({
  ...linear(layout),
  unscaledInput: reads,
});

/** The same table with every gain stored minus `offset`. */
export const withOffset = (tensors: ModelFamily['tensors'], offset: number): ModelFamily['tensors'] =>
  Object.fromEntries(
    Object.entries(tensors).map(([key, line]) => [key, line.kind === 'gain' ? { ...line, offset } : line]),
  );

/**
 * A size that stands under `name` in config.json, or follows from sizes above it when it is absent or null.
 * It is always written.
 */
export const size = (name: string, fallback?: (dims: Dims) => number): SizeField => ({
  keys: [name],
  read: (config) => config[name] ?? undefined,
  ...(fallback ? { fallback } : {}),
  write: (dims, axis) => ({ [name]: dims[axis]! }),
});

/** A size that config.json never says. */
export const derived = (of: (dims: Dims) => number): SizeField => ({
  keys: [],
  read: () => undefined,
  fallback: of,
  write: () => ({}),
});

export const setting = (name: string, otherwise: SettingValue): SettingField => ({
  keys: [name],
  read: (config) => {
    const value = config[name];
    return value === undefined || value === null || typeof value === 'object'
      ? otherwise
      : (value as SettingValue);
  },
});

/** The same lines but these. */
export const without = <T>(
  lines: Readonly<Record<string, T>>,
  ...names: readonly string[]
): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(lines).filter(([name]) => !names.includes(name)));

/** A number that may be null, which means that there is none; `otherwise` where config.json does not say. */
export const optional = (name: string, otherwise: number | null): SettingField => ({
  keys: [name],
  read: (config) => (config[name] === undefined ? otherwise : (config[name] as SettingValue)),
});

/** The element type under either of its names. */
export const elementType: SettingField = {
  keys: ['dtype', 'torch_dtype'],
  read: (config) => (config['dtype'] ?? config['torch_dtype'] ?? 'float32') as SettingValue,
};
