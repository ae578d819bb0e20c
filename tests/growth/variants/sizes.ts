/** @file The sizes that most tiny configs share. */
import type { JsonObject } from '../../../src-main/base/json.ts';

/** rms_norm_eps is large, so that a factor or eps that is left out changes the logits visibly. */
export const llamaSizes: JsonObject = {
  vocab_size: 23,
  hidden_size: 12,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 4,
  intermediate_size: 20,
  num_hidden_layers: 2,
  rms_norm_eps: 0.01,
  tie_word_embeddings: true,
  max_position_embeddings: 32,
  torch_dtype: 'float32',
};

/** Three layers, some of which may use a sliding window of three tokens. */
export const slidingWindow: JsonObject = {
  ...llamaSizes,
  num_hidden_layers: 3,
  sliding_window: 3,
  use_sliding_window: true,
};
