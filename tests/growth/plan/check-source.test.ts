/** @file A plan fits only the source it was made for. */
import { describe, expect, it } from 'vitest';
import { checkSource } from '../../../src-main/growth/plan/check-source.ts';
import {
  createSavedPlan,
  describeSource,
  type NamedSource,
} from '../../../src-main/growth/plan/saved-plan.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { gpt2, llama } from '../variants/index.ts';
import { makeNamedSource, threeStages } from './named-source.ts';

const plan = createSavedPlan(makeNamedSource(llama), threeStages, 'print');
const source = makeNamedSource(llama);
const otherDtype: NamedSource = {
  ...source,
  tensors: source.tensors.map((tensor, i) => (i === 3 ? { ...tensor, dtype: 'bfloat16' } : tensor)),
};
const otherFfn = makeNamedSource({ ...llama, intermediate_size: 24 });
const otherLayers = makeNamedSource({ ...llama, num_hidden_layers: 3 });
const otherEps = makeNamedSource({ ...llama, rms_norm_eps: 0.02 });
const newKey = makeNamedSource({ ...llama, rope_theta: 5000 });

describe('a plan is refused for a source', () => {
  it.each([
    ['of another family', makeNamedSource(gpt2), 'print', /the family is llama in the plan and gpt2/],
    ['of other sizes', otherFfn, 'print', /ffn is 20 in the plan and 24/],
    ['with more layers', otherLayers, 'print', /layers is 2 in the plan and 3/],
    ['with another config', otherEps, 'print', /rms_norm_eps of config.json is 0.01 in the plan and 0.02/],
    ['with a new key', newKey, 'print', /rope_theta of config.json is absent in the plan and 5000/],
    ['with other weights', source, 'other', /the fingerprint of the weights is print in the plan and other/],
    ['with other dtypes', otherDtype, 'print', /the type of .+ is float32 in the plan and bfloat16/],
  ] as const)('%s', async (_, other, fingerprint, message) => {
    const error = await expectAppError('growth/other-source', () => {
      checkSource(plan, describeSource(other, fingerprint));
    });
    expect(error.message).toMatch(message);
  });
});

describe('a plan is accepted for a source', () => {
  it('with another name, and other config keys that do not matter', () => {
    const config = { ...llama, _name_or_path: 'elsewhere', transformers_version: '9' };
    checkSource(plan, describeSource(makeNamedSource(config, 'another name'), 'print'));
  });
  it('whose fingerprint is not known', () => {
    checkSource(plan, describeSource(source, null));
  });
});
