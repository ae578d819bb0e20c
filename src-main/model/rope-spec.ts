/** @file How a family reads rotary positions from config.json: one row of facts, read by `rope-config.ts`. */

import type { JsonObject } from '../base/json.ts';

/** How the config class of a family in transformers reads rotary positions. */
export interface RopeSpec {
  /** `default_theta` of the class. */
  readonly theta?: number;
  readonly thetaKey?: string;
  /** The rotated share of a head if config.json does not say it. */
  readonly factor?: number;
  /** The top-level key of the rotated share. Without it, whole heads are rotated. */
  readonly factorKey?: string;
  /** `max_position_embeddings` of the class. */
  readonly positions: number;
  /** The types that the class allows and the forward pass implements. */
  readonly types?: readonly string[];
  /** Other names of types in older files, with the name of today. */
  readonly typeNames?: Readonly<Record<string, string>>;
  /** `original_max_position_embeddings` of the class, where it is a field of its own. */
  readonly originalPositions?: number;
  /** The pairs that rotate together: entries 2i and 2i + 1 of a head. Default: i and i + half the rotated width. */
  readonly interleaved?: true;
  /** `rope_parameters` of the class for a config.json without any. */
  readonly defaults?: JsonObject;
  /** Whether the type "dynamic" with an `alpha` stretches the base once (HunYuan). */
  readonly hasAlpha?: true;
  /** Whether `llama_4_scaling_beta` scales queries by their position (Ministral 3). */
  readonly hasQueryScale?: true;
  /** Whether the class has a field `layer_types`, so that it takes their names as keys of `rope_parameters`. */
  readonly hasLayerTypes?: boolean;
  /** Set if the model has rotary parameters for each layer type: the theta of sliding layers, and its key. */
  readonly sliding?: { readonly theta: number; readonly thetaKey?: string };
}
