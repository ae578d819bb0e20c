/** @file OLMo: Llama with layer norms that have no gain and no shift. Must agree with modeling_olmo.py. */
import { refuse } from '../../base/errors.ts';
import { hasAxis } from '../../tensor/layout.ts';
import type { ModelFamily, TensorSpec } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { unscaledLinear, without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import { llama } from './llama.ts';

const readsStream = ({ kind, layout }: TensorSpec): boolean =>
  kind === 'linear' && hasAxis(layout, 'hidden', 'in');

export const olmo: ModelFamily = {
  ...llama,
  id: 'olmo',
  title: 'OLMo',
  releases: [
    groupedRelease('OLMo 1B', [2048, 8192, 16, 16, 16]),
    groupedRelease('OLMo 7B', [4096, 11_008, 32, 32, 32]),
  ],
  modelTypes: ['olmo'],
  architecture: 'OlmoForCausalLM',
  dims: gatedDims({ vocab: 50_304, hidden: 4096, ffn: 11_008, layers: 32, heads: 32 }),
  settings: {
    ...without(llama.settings, 'mlpBias'),
    eps: { keys: [], read: () => 1e-5 }, // a constant in modeling_olmo.py
  },
  stream: { axis: 'hidden', norm: 'layer' },
  constraints: [],
  tensors: Object.fromEntries(
    Object.entries(llama.tensors)
      .filter(([, spec]) => spec.kind !== 'gain' && spec.when !== 'mlpBias')
      .map(([key, spec]) => [key, readsStream(spec) ? unscaledLinear('norm', spec.layout.text) : spec]),
  ),
  assertSupported(config) {
    llama.assertSupported(config);
    if ((config['clip_qkv'] ?? null) !== null)
      refuse('checkpoint/unsupported', {
        what: 'clip_qkv',
        why: 'the forward pass does not clip queries, keys and values',
      });
  },
  forward: (m, tokens) => gatedDecoder(m, tokens),
};
