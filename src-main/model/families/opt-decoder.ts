/** @file What OPT and its projected variant share: the layers, and config values that are not supported. */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { Value } from '../../graph/graph.ts';
import { activate } from '../activations.ts';
import type { ModelBuilder } from '../builder-types.ts';
import { add, type NamedValue } from '../named-value.ts';

/** The position table has two unused rows before that of position 0. */
export const unusedRows = 2;

export const isPostNorm = (config: JsonObject): boolean => config['do_layer_norm_before'] === false;

export const unsupported = (what: string, why: string): never =>
  refuse('checkpoint/unsupported', { what, why });

export function assertNormsSupported(config: JsonObject): void {
  if (config['_remove_final_layer_norm'] === true)
    unsupported('_remove_final_layer_norm', 'the forward pass always applies the final norm');
  if (config['layer_norm_elementwise_affine'] === false)
    unsupported('layer_norm_elementwise_affine: false', 'growth needs the gains of norms');
}

/** Embeddings plus learned positions, then all layers. Norms come before each branch, or after it if `postNorm`. */
export function optLayers(
  m: ModelBuilder,
  tokens: Value,
  embedded: NamedValue,
  { postNorm }: { readonly postNorm: boolean },
): NamedValue {
  const scale = m.dims['head_dim']! ** -0.5;
  const activation = String(m.settings['activation']);
  const addBranch = (x: NamedValue, norm: string, branch: (y: NamedValue) => NamedValue): NamedValue =>
    postNorm ? m.norm(add(x, branch(x)), norm) : add(x, branch(m.norm(x, norm)));

  let x = add(embedded, m.positionRows('embed_positions', tokens, unusedRows));
  for (let l = 0; l < m.dims['layers']!; l++) {
    const layer = `layers.${l}`;
    const attn = `${layer}.self_attn`;
    x = addBranch(x, `${layer}.self_attn_layer_norm`, (y) => {
      const q = m.linear(y, `${attn}.q_proj`);
      const k = m.linear(y, `${attn}.k_proj`);
      const v = m.linear(y, `${attn}.v_proj`);
      return m.linear(m.attention(q, k, v, scale), `${attn}.out_proj`);
    });
    x = addBranch(x, `${layer}.final_layer_norm`, (y) =>
      m.linear(activate(m.linear(y, `${layer}.fc1`), activation), `${layer}.fc2`),
    );
  }
  return x;
}
