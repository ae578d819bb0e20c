/**
 * @file Granite: Llama with multipliers on embeddings, branches, scores and logits. Must agree with transformers'
 * modeling_granite.py.
 */
import { setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import { llama } from './llama.ts';

export const granite: ModelFamily = {
  ...llama,
  id: 'granite',
  title: 'Granite',
  releases: [
    groupedRelease('Granite 3 2B', [2048, 8192, 40, 32, 8]),
    groupedRelease('Granite 3 8B', [4096, 12_800, 40, 32, 8]),
  ],
  modelTypes: ['granite'],
  architecture: 'GraniteForCausalLM',
  dims: gatedDims({ vocab: 32_000, hidden: 4096, ffn: 11_008, layers: 32, heads: 32 }),
  settings: {
    ...llama.settings,
    embeddingMultiplier: setting('embedding_multiplier', 1),
    residualMultiplier: setting('residual_multiplier', 1),
    attentionMultiplier: setting('attention_multiplier', 1),
    logitScale: setting('logits_scaling', 1),
  },
  head: { ...llama.head, scale: (s) => 1 / Number(s['logitScale']) },
  scores: { ...llama.scores, scale: () => 1 }, // attention_multiplier does not depend on sizes
  embedScale: (_, s) => Number(s['embeddingMultiplier']),
  constraints: [],
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      scale: Number(m.settings['attentionMultiplier']),
      residualScale: Number(m.settings['residualMultiplier']),
    }),
};
