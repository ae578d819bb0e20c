/**
 * @file A checkpoint as it is shown and planned with, and the record of how it was grown: what travels; the
 * bytes stay.
 */
import type { DeviceKind } from '../base/device.ts';
import type { JsonObject } from '../base/json.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import type { Dims } from '../tensor/layout.ts';
import type { Settings } from './family.ts';
import type { ParameterGroup } from './parameters.ts';

/** One weight: what travels; the bytes stay. */
export interface TensorSummary {
  readonly name: string;
  readonly dtype: WeightDType;
  readonly shape: readonly number[];
}

/** A checkpoint as it is shown and planned with. */
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
  /** Those that one token passes, where the model is a mixture of experts. */
  readonly active?: number;
  readonly groups: Readonly<Record<ParameterGroup, number>>;
  /** Bytes of all weights in their files. */
  readonly bytes: number;
  readonly shards: number;
  readonly tied: boolean;
  /** Vocabulary size of the tokenizer, or null when the folder has none. */
  readonly tokenizer: { readonly kind: string; readonly size: number } | null;
  readonly tensors: readonly TensorSummary[];
  /** What it was grown from, when Cambium grew it. */
  readonly grownFrom?: {
    readonly source: string;
    readonly method: string;
    readonly certificate: Certificate | null;
  };
}

/** How far the logits of two models lie apart on the same tokens. */
export interface LogitDifference {
  readonly tokens: number;
  /** The largest difference of a logit, absolute. */
  readonly maxLogit: number;
  /** Root mean square of the source's logits, to judge it by. */
  readonly rmsLogit: number;
  /** Mean KL divergence from source to grown, nats per token. */
  readonly kl: number;
  /** Mean next-token loss of each, nats. */
  readonly lossSource: number;
  readonly lossGrown: number;
  /** Share of positions where both would say the same token. */
  readonly agreement: number;
}

/** The proof: source and grown model on the same tokens. */
export interface Certificate extends LogitDifference {
  readonly promise: 'exact' | 'approximate';
  /** The largest difference an exact growth may show in the dtypes at hand. */
  readonly tolerance: number;
  readonly passed: boolean;
  readonly device: DeviceKind;
  /** What each stage of a recipe promises, where there are several. */
  readonly stages?: readonly { readonly method: string; readonly promise: 'exact' | 'approximate' }[];
  /** What the tokens were: a file, or text the source wrote itself. */
  readonly text: string;
}
