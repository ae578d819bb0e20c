/**
 * @file The description of a model family: its sizes, settings, weights and forward pass in one table. Growth,
 * training, checkpoints and export all read it.
 */
import type { Json, JsonObject } from '../base/json.ts';
import type { Value } from '../graph/graph.ts';
import type { Axis, Dims, Layout } from '../tensor/layout.ts';
import type { ModelBuilder } from './builder-types.ts';
import type { NamedValue } from './named-value.ts';
import type { RopeSpec } from './rope-spec.ts';
import type { SettingName, Settings, SettingValue } from './settings.ts';

export type { SettingName, Settings, SettingValue } from './settings.ts';

/**
 * `linear` is the weight of a linear layer, `lookup` of an embedding; `gain` and `shift` are the weight and
 * bias of a norm, `bias` is the bias of a linear layer.
 */
export type TensorKind = 'linear' | 'lookup' | 'gain' | 'shift' | 'bias';

export interface TensorSpec {
  readonly kind: TensorKind;
  readonly layout: Layout;
  /** Added to a stored gain: 1 for families that store the gain minus one, otherwise 0. */
  readonly offset: number;
  /** The setting that must be true for the weight to exist. Default: it always exists. */
  readonly when?: SettingName;
  /**
   * Of a gain: the key of the linear layer whose output its norm normalizes (query and key norms, norms at
   * the end of a branch). Default: its norm reads the residual stream.
   */
  readonly normalizes?: string;
  /**
   * Of a linear layer without a gain before it: whether its input is the residual stream itself (`stream`) or
   * a norm that has no gain (`norm`).
   */
  readonly unscaledInput?: 'stream' | 'norm';
}

/** How one size is read from config.json and written back. */
export interface SizeField {
  /** All config keys that the field may read or write. */
  readonly keys: readonly string[];
  /**
   * The size; undefined if config.json lacks it and there is no default, or null if it says so: then
   * `fallback` applies. `dims` holds the sizes listed before this one.
   */
  read(config: JsonObject, dims: Dims): Json | undefined;
  /** The default of transformers that `read` returns for a config.json without the key. */
  readonly default?: number;
  readonly fallback?: (dims: Dims) => number;
  /** The config keys and values that store this size. A derived size stores nothing. */
  write(dims: Dims, axis: string): JsonObject;
}

/** How one setting is read from config.json. Growing a model keeps its settings. */
export interface SettingField {
  readonly keys: readonly string[];
  /** The default of transformers for a config.json without the key. */
  readonly default?: SettingValue;
  read(config: JsonObject): SettingValue;
}

export interface Constraint {
  /** The size to change if the constraint does not hold. */
  readonly axis: Axis;
  readonly why: string;
  holds(dims: Dims): boolean;
}

/** What a mixture of experts has beside its table. */
export interface Mixture {
  /** Whether config.json has `norm_topk_prob`, so that routing weights need not sum to one. */
  readonly hasNormTopkProb: boolean;
  /** Absent where no dense family has the same layers. */
  readonly upcycling?: Upcycling;
}

/** How a dense model becomes a mixture of experts of this family; docs/methods.md, upcycle. */
export interface Upcycling {
  /** Ids of the dense families that it can be made from. */
  readonly denseFamilies: readonly string[];
  /**
   * Keys of this table, mapped to the dense key they copy where the two differ. A key without a dense
   * counterpart is a router, which is initialized at random.
   */
  readonly copiedFrom: Readonly<Record<string, string>>;
  /** Keys whose weights start as zeros, so that their branch adds nothing at first. */
  readonly zeroOutput?: readonly string[];
  /** Sizes that follow from those of the dense model. */
  readonly dims?: (dense: Dims) => Dims;
  /**
   * The config.json of a dense model rewritten for this family, except for sizes. Refuses what this family
   * cannot express.
   */
  config(dense: JsonObject, settings: Settings, normTopkProb: boolean): JsonObject;
}

/** The two norms in a layer of a post-norm family, as key prefixes; the second gives the layer's output. */
export interface PostNorm {
  readonly afterAttention: string;
  readonly afterMlp: string;
}

/** A published model of a family: its name and the sizes that tell it from the others. */
export interface Release {
  readonly name: string;
  readonly dims: Dims;
}

export interface ModelFamily {
  readonly id: string;
  readonly title: string;
  /** Published models, the smallest first: sizes to grow to. Facts of their config.json. */
  readonly releases?: readonly Release[];
  /** Values of `model_type` in config.json. */
  readonly modelTypes: readonly string[];
  /** Written to `architectures` if config.json lacks it. */
  readonly architecture: string;
  /** Where two families share a `model_type`: whether a config.json belongs to this one. */
  readonly matches?: (config: JsonObject) => boolean;
  /**
   * Other names of config.json keys, with the family's own name of each (`attribute_map` of the config class in
   * transformers). Where both are given, the other name counts.
   */
  readonly attributeMap?: Readonly<Record<string, string>>;
  /** Names of keys in old files, which the config class in transformers reads before its own. */
  readonly formerNames?: Readonly<Record<string, string>>;
  /** In reading order. */
  readonly dims: Readonly<Record<string, SizeField>>;
  readonly settings: Readonly<Partial<Record<SettingName, SettingField>>>;
  /** Axes of fused weights, such as `qkv`, with the names of their entries. */
  readonly parts: Readonly<Partial<Record<Axis, readonly string[]>>>;
  /**
   * The residual stream: its axis and the kind of norm that reads it. With `postNorm` the norms are applied
   * to the stream itself, and only whole copies of it preserve the function; docs/methods.md, Norms. The same
   * holds for `embeddingNorm`, the key prefix of a norm between the embedding and the first layer.
   */
  readonly stream: {
    readonly axis: Axis;
    readonly norm: 'layer' | 'rms';
    readonly postNorm?: PostNorm;
    readonly embeddingNorm?: string;
  };
  readonly head: {
    readonly weight: string;
    /** The embedding that the head shares its weight with if the model is tied. */
    readonly tiedTo: string;
    /** The norm directly before the head; absent if a linear layer comes between. */
    readonly norm?: string;
    /** The setting with the cap of `cap * tanh(logit / cap)`. */
    readonly softcap?: SettingName;
    /** The factor of logits. Default: 1. */
    readonly scale?: (settings: Settings) => number;
  };
  /**
   * Attention scores: the product of `between` (`name/part` for an entry of a fused weight), summed over the
   * axis `over`, times `scale` (up to a factor that does not depend on sizes).
   */
  readonly scores: { readonly over: Axis; readonly between: readonly string[]; scale(dims: Dims): number };
  /** The factor that the forward pass multiplies embeddings by. Default: 1. */
  readonly embedScale?: (dims: Dims, settings: Settings) => number;
  /** Axes that cannot grow, with the reason. */
  readonly frozen: Readonly<Partial<Record<Axis, string>>>;
  readonly constraints: readonly Constraint[];
  /**
   * Set for mixtures of experts. Their settings include `expertsPerToken` (num_experts_per_tok) and
   * `auxLossCoef` (router_aux_loss_coef), the factor of the load-balancing loss in training.
   */
  readonly mixture?: Mixture;
  /** All weights by key. `{layer}` and `{expert}` stand for numbers; the head is listed even if tied. */
  readonly tensors: Readonly<Record<string, TensorSpec>>;
  /** Whether llama.cpp's convert_hf_to_gguf.py supports the family. Default: false. */
  readonly gguf?: boolean;
  /** `base_model_prefix` of the class in transformers: the attribute that holds the model without its head. */
  readonly baseModelPrefix: string;
  /** What stands before every key but the head's in transformers' causal language model: `transformer.`. */
  readonly namePrefix: string;
  /** Other spellings of parts of names that transformers reads, with the family's own. */
  readonly otherNames?: Readonly<Record<string, string>>;
  /** Config keys that transformers validates as floats, so that 30 must be written as 30.0. */
  readonly floatKeys?: readonly string[];
  /** How config.json says rotary positions. Absent: the family has none. */
  readonly rope?: RopeSpec;
  /** Refuses config values that the forward pass does not implement, by the name of their key. */
  assertSupported(config: JsonObject): void;
  /** The config keys that list one value per layer, for a model whose layer i was layer `sources[i]`. */
  readonly remapLayers?: (config: JsonObject, sources: readonly number[]) => JsonObject;
  /** The output of the last norm, tokens [batch, seq] → [batch, seq, hidden]. The caller applies the head. */
  forward(m: ModelBuilder, tokens: Value): NamedValue;
}

/** The key in a family's `tensors` for the name of a weight. */
export const tensorKey = (name: string): string =>
  name.replace(/\.\d+\./, '.{layer}.').replace(/\.\d+\./, '.{expert}.');
