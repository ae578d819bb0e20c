/** @file Where noise goes (docs/methods.md, Symmetry breaking). */
import { expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { llama } from '../variants/index.ts';

it('noise is added to weights that read copies, and never to heads, embeddings, norms and biases', () => {
  const source = makeTinyModel({ ...llama, tie_word_embeddings: false, attention_bias: true });
  const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 24 }));
  const noisy = plan.tensors.filter((recipe) => recipe.noise !== null);
  const names = new Set(noisy.map((recipe) => recipe.name.replace(/.*layers\.\d+\./, '')));
  expect([...names]).toEqual([
    'self_attn.q_proj.weight',
    'self_attn.k_proj.weight',
    'self_attn.v_proj.weight',
    'self_attn.o_proj.weight',
    'mlp.gate_proj.weight',
    'mlp.up_proj.weight',
  ]);
});
