/**
 * @file Falcon with ALiBi and a key and value head for each query head (RefinedWeb 1B and 7B). transformers'
 * modeling_falcon.py rounds slopes and their products with positions to bfloat16, and scales them with the scores.
 * Its "eager" attention counts them twice; "sdpa", the default, does not.
 */
import { refuse } from '../../base/errors.ts';
import { derived, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { roundedAlibi } from '../key-bias.ts';
import { plainRelease } from '../releases.ts';
import { without } from '../tensor-specs.ts';
import { bloomForm, bloomTensors } from './bloom-decoder.ts';
import { frozenSlopes } from './constraints.ts';
import { assertBlocksSupported, falcon, isMultiQuery } from './falcon.ts';
import { gatedDecoder } from './gated-decoder.ts';

const { rope, ...shared } = falcon;
void rope;

export const falconAlibi: ModelFamily = {
  ...shared,
  id: 'falcon-alibi',
  title: 'Falcon (ALiBi)',
  releases: [plainRelease('Falcon RW 1B', [2048, 24, 32]), plainRelease('Falcon RW 7B', [4096, 36, 64])],
  gguf: false,
  matches: (config) => !isMultiQuery(config),
  dims: {
    vocab: falcon.dims['vocab']!,
    hidden: falcon.dims['hidden']!,
    heads: size('num_attention_heads', { default: 71 }),
    head_dim: derived(({ hidden, heads }) => hidden! / heads!),
    ffn: falcon.dims['ffn']!,
    layers: falcon.dims['layers']!,
  },
  settings: without(falcon.settings, ...Object.keys(falcon.settings).filter((name) => /^rope/.test(name))),
  frozen: {
    heads: frozenSlopes,
    head_dim: 'the slopes of ALiBi are divided by the square root of the width of a head',
    hidden: 'it is the number of heads times their width, and neither can grow',
  },
  tensors: bloomTensors('heads', { biases: 'bias', secondNorm: 'sequentialResidual' }),
  assertSupported(config) {
    assertBlocksSupported(config);
    if (config['alibi'] !== true)
      refuse('checkpoint/unsupported', {
        what: 'multi_query: false without alibi',
        why: 'only models with ALiBi have a key and value head for each query head here',
      });
  },
  forward(m, tokens) {
    const { heads, head_dim: width } = m.dims;
    return gatedDecoder(m, tokens, {
      ...bloomForm(m, 'heads', m.settings['parallelResidual'] === true),
      rotate: (x) => x,
      keyBias: roundedAlibi(heads!, width! ** -0.5),
    });
  },
};
