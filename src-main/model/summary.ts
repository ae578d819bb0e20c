/** @file What the interface shows of a checkpoint, and how growth was verified. Contains no weights. */
import type { DeviceKind } from '../base/device.ts';
import type { JsonObject } from '../base/json.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import type { Dims } from '../tensor/layout.ts';
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
  /** `size` is the vocabulary size. Null if the folder has no tokenizer. */
  readonly tokenizer: { readonly kind: string; readonly size: number } | null;
  readonly tensors: readonly TensorSummary[];
  /** Set if Cambium grew the checkpoint. */
  readonly grownFrom?: {
    readonly source: string;
    readonly method: string;
    readonly certificate: Certificate | null;
  };
}

/** The difference between the logits of two models on the same tokens. */
export interface LogitDifference {
  readonly tokens: number;
  /** Largest absolute difference. */
  readonly maxLogit: number;
  /** Root mean square of the source's logits, as the scale for `maxLogit`. */
  readonly rmsLogit: number;
  /** Mean KL divergence from source to grown model, nats per token. */
  readonly kl: number;
  /** Mean next-token loss in nats. */
  readonly lossSource: number;
  readonly lossGrown: number;
  /** Top-1 agreement: the share of positions where both models rank the same token first. */
  readonly agreement: number;
}

/** The result of comparing a grown model with its source on the same tokens. */
export interface Certificate extends LogitDifference {
  readonly promise: 'exact' | 'approximate';
  /** The largest `maxLogit` that counts as function-preserving for the element types used. */
  readonly tolerance: number;
  readonly passed: boolean;
  readonly device: DeviceKind;
  /** The promise of each stage of a recipe that has several. */
  readonly stages?: readonly { readonly method: string; readonly promise: 'exact' | 'approximate' }[];
  /** Where the tokens come from: a file, or text sampled from the source. */
  readonly text: string;
}
