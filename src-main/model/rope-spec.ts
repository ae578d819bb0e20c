/** @file How a family reads rotary positions from config.json: one row of facts, read by `rope-config.ts`. */

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
  /** Whether the class has a field `layer_types`, so that it takes their names as keys of `rope_parameters`. */
  readonly hasLayerTypes?: boolean;
  /** Set if the model has rotary parameters for each layer type: the theta of sliding layers, and its key. */
  readonly sliding?: { readonly theta: number; readonly thetaKey: string };
}
