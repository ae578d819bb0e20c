import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { addCosts, createWeightCosts, multiplyCost } from '../../../src-main/growth/plan/weight-costs.ts';
import { upcycle } from '../../../src-main/growth/methods/upcycle.ts';
import { createSummary, storiesConfig } from '../../renderer/fake/models.ts';

const stories = createSummary(storiesConfig, '/data/stories260K');
const plan = planGrowth(stories, {
  method: 'hypercloning',
  to: { hidden: 128, ffn: 344 },
  options: {},
  seed: 0,
  dtype: 'bfloat16',
});
const find = (end: string) => plan.tensors.find(({ name }) => name.endsWith(end))!;

describe('createWeightCosts', () => {
  it('counts bytes of the grown type, and 6 FLOPs for each entry of a matrix', () => {
    const costOf = createWeightCosts(plan);
    expect(costOf(find('0.mlp.down_proj.weight'))).toEqual({
      parameters: 344 * 128,
      bytes: 2 * 344 * 128,
      flops: 6 * 344 * 128,
    });
    expect(costOf(find('0.input_layernorm.weight')).flops).toBe(0);
  });

  it('counts an embedding only where it is the head too', () => {
    const embedding = find('embed_tokens.weight');
    expect(createWeightCosts(plan)(embedding).flops).toBe(6 * 512 * 128);
    const untied = { ...plan, config: { ...plan.config, tie_word_embeddings: false } };
    expect(createWeightCosts(untied)(embedding).flops).toBe(0);
  });

  it('counts the experts that a token selects', () => {
    const options = Object.fromEntries(upcycle.options.map((option) => [option.id, option.default]));
    const dense = createSummary({ ...storiesConfig, model_type: 'mistral' }, '/data/mistral');
    const mixture = planGrowth(dense, { method: 'upcycle', to: {}, options, seed: 0, dtype: 'keep' });
    const expert = mixture.tensors.find(({ name }) => name.includes('.experts.0.'))!;
    const costOf = createWeightCosts(mixture);
    const share = Number(options['active']) / Number(options['experts']);
    expect(costOf(expert).flops).toBe(6 * costOf(expert).parameters * share);
  });

  it('adds up to the parameters of the model', () => {
    const total = addCosts(plan.tensors.map(createWeightCosts(plan)));
    expect(total.parameters).toBe(plan.parameters.after);
    expect(multiplyCost(total, 2).bytes).toBe(4 * plan.parameters.after);
  });
});
