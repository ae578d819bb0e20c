/**
 * @file OLMo: Llama's layers with layer norms that have neither gain nor shift. Agrees with transformers'
 * modeling_olmo.py.
 */
import { refuse } from '../../base/errors.ts';
import { unscaledLinear, setting, without, type ModelFamily, type TensorSpec } from '../family.ts';
import { refuseRope } from '../rope.ts';
import { gatedDecoder, llama } from './llama.ts';

const settings = without(llama.settings, 'mlpBias');

/** What reads the stream has no gain before it to undo what is done to the stream. */
const reads = ({ kind, layout }: TensorSpec): boolean =>
  kind === 'linear' && layout.axes.some((a) => a.axis === 'hidden' && a.role === 'in');

export const olmo: ModelFamily = {
  ...llama,
  id: 'olmo',
  title: 'OLMo',
  modelTypes: ['olmo'],
  architecture: 'OlmoForCausalLM',
  settings: { ...settings, eps: { keys: [], read: () => 1e-5 }, tied: setting('tie_word_embeddings', false) },
  stream: { axis: 'hidden', norm: 'layer' },
  constraints: [],
  tensors: Object.fromEntries(
    Object.entries(llama.tensors)
      .filter(([, line]) => line.kind !== 'gain' && line.when !== 'mlpBias')
      .map(([key, line]) => [key, reads(line) ? unscaledLinear('norm', line.layout.text) : line]),
  ),
  assertSupported(config) {
    refuseRope(config);
    if ((config['clip_qkv'] ?? null) !== null)
      refuse('checkpoint/unsupported', {
        what: 'clip_qkv',
        why: 'the forward pass does not clip queries, keys and values',
      });
  },
  forward: (m, tokens) => gatedDecoder(m, tokens),
};
