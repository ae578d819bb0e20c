/** @file The settings of a model: the values of config.json that are not sizes. */

/** A list of text has one entry per layer; a list of numbers one per layer, or per rotated pair of a head. */
export type SettingValue = number | boolean | string | null | readonly string[] | readonly number[];

/** Cambium's names for settings; each family has some of them. */
export type SettingName =
  | 'activation'
  | 'attentionBias'
  | 'attentionMultiplier'
  | 'attentionOutBias'
  | 'attnLogitSoftcap'
  | 'auxLossCoef'
  | 'bias'
  | 'dtype'
  | 'embeddingMultiplier'
  | 'eps'
  | 'expertsPerToken'
  | 'finalLogitSoftcap'
  | 'layerTypes'
  | 'logitScale'
  | 'mlpBias'
  | 'normTopkProb'
  | 'parallelResidual'
  | 'partialRotaryFactor'
  | 'positions'
  | 'qkvBias'
  | 'queryPreAttnScalar'
  | 'residualMultiplier'
  | 'ropeAlpha'
  | 'ropeAttentionFactor'
  | 'ropeBetaFast'
  | 'ropeBetaSlow'
  | 'ropeFactor'
  | 'ropeHighFreqFactor'
  | 'ropeInterleaved'
  | 'ropeLocalTheta'
  | 'ropeLongFactor'
  | 'ropeLowFreqFactor'
  | 'ropeOriginalPositions'
  | 'ropeScalingBeta'
  | 'ropeShortFactor'
  | 'ropeTheta'
  | 'ropeTruncate'
  | 'ropeType'
  | 'rotatedLayers'
  | 'rotaryWidth'
  | 'sequentialResidual'
  | 'std'
  | 'tied'
  | 'window';

export type Settings = Readonly<Partial<Record<SettingName, SettingValue>>>;
