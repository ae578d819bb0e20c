/** @file The settings of a model: the values of config.json that are not sizes. */

/** A list has one entry per layer. */
export type SettingValue = number | boolean | string | null | readonly string[];

/** Cambium's names for settings; each family has some of them. */
export type SettingName =
  | 'activation'
  | 'attentionBias'
  | 'attnLogitSoftcap'
  | 'auxLossCoef'
  | 'bias'
  | 'dtype'
  | 'eps'
  | 'expertsPerToken'
  | 'finalLogitSoftcap'
  | 'layerTypes'
  | 'mlpBias'
  | 'normTopkProb'
  | 'parallelResidual'
  | 'partialRotaryFactor'
  | 'positions'
  | 'qkvBias'
  | 'queryPreAttnScalar'
  | 'ropeFactor'
  | 'ropeHighFreqFactor'
  | 'ropeLocalTheta'
  | 'ropeLowFreqFactor'
  | 'ropeOriginalPositions'
  | 'ropeTheta'
  | 'ropeType'
  | 'sequentialResidual'
  | 'std'
  | 'tied'
  | 'window';

export type Settings = Readonly<Partial<Record<SettingName, SettingValue>>>;
