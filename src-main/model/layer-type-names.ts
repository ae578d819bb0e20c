/** @file The names of attention types in `layer_types` and `rope_parameters` of config.json. */

export const fullAttention = 'full_attention';
export const slidingAttention = 'sliding_attention';
