/** @file What llama.cpp knows about a family: the names and layouts of its tensors, and what it computes. */
import type { Axis, Dims } from '../../tensor/layout.ts';
import type { ModelFamily } from '../family.ts';
import type { SettingName, Settings } from '../settings.ts';

/** The parts of a checkpoint that decide what stands in its GGUF file. */
export interface GgufModel {
  readonly family: ModelFamily;
  readonly dims: Dims;
  readonly settings: Settings;
}

/** One row of the table in `families/gguf-architectures.ts`. Its facts are those of llama.cpp's src/models/NAME.cpp. */
export interface GgufArchitecture {
  /** `general.architecture`. */
  readonly name: string;
  /**
   * The family's table without `.weight` and `.bias`, mapped to llama.cpp's names. A weight whose key is missing
   * has no place in llama.cpp.
   */
  readonly modules: Readonly<Record<string, string>>;
  /** The modules with a matrix that may have a bias. Norms have a bias if the family's table lists it. */
  readonly biases?: readonly string[];
  /** The order of the output axes of fused weights where it is not that of the family. */
  readonly outputAxes?: Readonly<Record<string, readonly Axis[]>>;
  /**
   * Whether llama.cpp rotates neighbouring entries of a head. transformers rotates entry i with entry i + half,
   * so the rows of queries and keys are reordered.
   */
  readonly rotatesNeighbours?: boolean;
  /** The values of `activation` that llama.cpp computes. */
  readonly activations: readonly string[];
  /** Of the activations, those that llama.cpp approximates: what it does, as a sentence without a full stop. */
  readonly approximations?: Readonly<Record<string, string>>;
  /** Rotary types. Default: default and linear. */
  readonly ropeTypes?: readonly string[];
  /** Whether llama.cpp reads every bias in `biases`: zeros are stored for those that a model lacks. */
  readonly needsBiases?: boolean;
  /** Whether a tied head is stored a second time, because llama.cpp reads no other. */
  readonly needsHead?: boolean;
  /** Whether the heads together are as wide as the residual stream. */
  readonly needsSquareAttention?: boolean;
  /**
   * How the sliding window is expressed: not at all, or by a period of which the last layer attends to
   * everything.
   */
  readonly window: 'none' | 'period';
  /** The period that a model must have, because layers with and without a window rotate otherwise. */
  readonly needsPeriod?: number;
  /** Whether a model with a window cannot be expressed, also for shorter texts. */
  readonly needsNoWindow?: boolean;
  /** Whether layers with a window rotate by the same base as the others. */
  readonly hasOneRopeBase?: boolean;
  /** Whether there is a key head for each query head. */
  readonly needsKeyPerQuery?: boolean;
  /** What the routing weights of a mixture are divided by: their sum, or nothing. */
  readonly normTopkProb?: boolean;
  /** The scale of attention scores in llama.cpp, where it is not head_dim ** -0.5. */
  readonly attentionScale?: (dims: Dims) => number;
  /** The module that takes the rest of the scale if a model has another. Default: other scales are refused. */
  readonly scaledModule?: string;
  /** Numbers of the model that llama.cpp reads, by their keys in the file. */
  readonly multipliers?: Readonly<Record<string, SettingName>>;
  /** Numbers that llama.cpp reads and that are the same for every model, by their keys in the file. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Every layer of this period has no positions. */
  readonly unrotatedPeriod?: number;
  /** The soft caps that llama.cpp always applies. */
  readonly softcaps?: readonly ('attnLogitSoftcap' | 'finalLogitSoftcap')[];
}
