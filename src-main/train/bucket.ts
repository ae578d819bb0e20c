/** @file A bucket: weights that are updated alike, stored back to back in one flat tensor. */

/** The update rules, one per file of `optimizers`. */
export type RuleId = 'adamw' | 'muon' | 'sgd';

/** Position of one weight in its bucket, in elements. */
export interface Slot {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly count: number;
}

export interface Bucket {
  /** Number of the bucket in tensor names: `weights/0`, `expAvg/0`. */
  readonly index: number;
  /** The update rule of its weights. */
  readonly rule: RuleId;
  /** Multiplies the learning rate (docs/methods.md, Learning rates and moments). */
  readonly lrScale: number;
  /** Multiplies Adam's epsilon. */
  readonly epsScale: number;
  /** Multiplies the squared gradient in the global norm, so that copies count as their source does. */
  readonly normShare: number;
  readonly hasWeightDecay: boolean;
  /** Its weights stay as they are: they have no gradients and no moments. */
  readonly isFrozen?: true;
  /** Old entries of its weights stay as they are; the tensor `mask/…` has 1 for each new one. */
  readonly isMasked?: true;
  /** Its weights were frozen at first: their moments began when they were unfrozen. */
  readonly isLate?: true;
  /**
   * Elements of each weight. ONNX Runtime splits and joins equal parts without an index table; its CUDA kernels for
   * unequal parts upload one with an entry per element at every call.
   */
  readonly slotLength: number;
  readonly slots: readonly Slot[];
  /** Elements in all. */
  readonly length: number;
}

/** What two weights must agree in to share a bucket. */
export type BucketKey = Pick<
  Bucket,
  | 'rule'
  | 'lrScale'
  | 'epsScale'
  | 'normShare'
  | 'hasWeightDecay'
  | 'isFrozen'
  | 'isMasked'
  | 'isLate'
  | 'slotLength'
>;
