/**
 * @file GPT-J: parallel blocks with one layer norm, interleaved rotary pairs on the first entries of a head, and a head
 * with a bias. Must agree with transformers' modeling_gptj.py.
 */
import { refuse } from '../../base/errors.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { bias, gain, linear, lookup, shift } from '../tensor-specs.ts';
import { wholeHeads } from './constraints.ts';
import { gatedDecoder, plainMlp } from './gated-decoder.ts';
import { gpt2 } from './gpt2.ts';

export const gptJ: ModelFamily = {
  id: 'gptj',
  title: 'GPT-J',
  modelTypes: ['gptj'],
  architecture: 'GPTJForCausalLM',
  attributeMap: gpt2.attributeMap!,
  dims: {
    vocab: size('vocab_size', { default: 50_400 }),
    hidden: size('n_embd', { default: 4096 }),
    heads: size('n_head', { default: 16 }),
    ffn: size('n_inner', { fallback: ({ hidden }) => 4 * hidden! }),
    head_dim: derived(({ hidden, heads }) => hidden! / heads!),
    layers: size('n_layer', { default: 28 }),
  },
  settings: {
    eps: setting('layer_norm_epsilon', 1e-5),
    tied: setting('tie_word_embeddings', false),
    activation: setting('activation_function', 'gelu_new'),
    std: setting('initializer_range', 0.02),
    positions: setting('n_positions', 2048),
    rotaryWidth: setting('rotary_dim', 64),
    ropeTheta: { keys: [], read: () => 10_000 },
    ropeInterleaved: { keys: [], read: () => true },
  },
  parts: {},
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'lm_head.weight', tiedTo: 'wte.weight', norm: 'ln_f' },
  scores: {
    over: 'head_dim',
    between: ['attn.q_proj', 'attn.k_proj'],
    scale: ({ head_dim }) => head_dim! ** -0.5,
  },
  frozen: { head_dim: 'each entry of a head has a fixed rotary frequency' },
  constraints: [wholeHeads],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'wte.weight':                     lookup('vocab : hidden'),
    'h.{layer}.ln_1.weight':          gain('hidden'),
    'h.{layer}.ln_1.bias':            shift('hidden'),
    'h.{layer}.attn.q_proj.weight':   linear('(heads head_dim) <- hidden'),
    'h.{layer}.attn.k_proj.weight':   linear('(heads head_dim) <- hidden'),
    'h.{layer}.attn.v_proj.weight':   linear('(heads head_dim) <- hidden'),
    'h.{layer}.attn.out_proj.weight': linear('hidden <- (heads head_dim)'),
    'h.{layer}.mlp.fc_in.weight':     linear('ffn <- hidden'),
    'h.{layer}.mlp.fc_in.bias':       bias('ffn'),
    'h.{layer}.mlp.fc_out.weight':    linear('hidden <- ffn'),
    'h.{layer}.mlp.fc_out.bias':      bias('hidden'),
    'ln_f.weight':                    gain('hidden'),
    'ln_f.bias':                      shift('hidden'),
    'lm_head.weight':                 linear('vocab <- hidden'),
    'lm_head.bias':                   bias('vocab'),
  },
  baseModelPrefix: 'transformer',
  namePrefix: 'transformer.',
  assertSupported(config) {
    const { n_embd: hidden = 4096, n_head: heads = 16, rotary_dim: rotated = 64 } = config;
    // A width that is no width is refused where dimensions are read.
    if (Number(hidden) > 0 && Number(rotated) > Number(hidden) / Number(heads))
      refuse('checkpoint/unsupported', {
        what: `rotary_dim ${Number(rotated)}`,
        why: `a head has only ${Number(hidden) / Number(heads)} entries`,
      });
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      names: { embed: 'wte', layers: 'h', attention: 'attn', output: 'out_proj', lastNorm: 'ln_f' },
      norms: { beforeAttention: 'ln_1' },
      parallel: true,
      feedForward: (x, layer) => plainMlp(m, x, `${layer}.mlp`, { up: 'fc_in', down: 'fc_out' }),
    }),
};
