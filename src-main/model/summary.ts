/** @file What the interface shows of a checkpoint. Contains no weights. */
import type { JsonObject } from '../base/json.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import type { Dims } from '../tensor/layout.ts';
import type { Certificate } from './certificate.ts';
import type { ParameterGroup } from './parameters.ts';
import type { Settings } from './settings.ts';

export interface TensorSummary {
  readonly name: string;
  readonly dtype: WeightDType;
  readonly shape: readonly number[];
}

export interface CheckpointSummary {
  readonly dir: string;
  readonly name: string;
  readonly family: string;
  readonly familyTitle: string;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly config: JsonObject;
  readonly dtypes: readonly WeightDType[];
  readonly parameters: number;
  /** Parameters active per token, for mixtures of experts. */
  readonly active?: number;
  readonly groups: Readonly<Record<ParameterGroup, number>>;
  /** Size of all weights in their files. */
  readonly bytes: number;
  readonly shards: number;
  readonly tied: boolean;
  /** How config.json and the weights were read where there was a choice: sentences without a full stop. */
  readonly notes?: readonly string[];
  /** Stored tensors that are buffers, such as rotary frequencies, and were not read. */
  readonly ignored?: readonly string[];
  /**
   * `size` is the vocabulary size; `chat` is true if it has a chat template. Null if the folder has no tokenizer.
   */
  readonly tokenizer: { readonly kind: string; readonly size: number; readonly chat?: true } | null;
  readonly tensors: readonly TensorSummary[];
  /** Set if Cambium grew the checkpoint. */
  readonly grownFrom?: {
    readonly source: string;
    readonly method: string;
    readonly certificate: Certificate | null;
  };
}
