/**
 * @file Plans as files: they survive JSON, fit the source they were made for and no other, and are refused
 * where they do not hold together.
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { applyStages } from '../../../src-main/growth/apply/apply-stages.ts';
import { listSourceWeights } from '../../../src-main/growth/plan/stages.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { diffPlans } from '../../../src-main/growth/plan/plan-diff.ts';
import { checkSource } from '../../../src-main/growth/plan/check-source.ts';
import { readPlan } from '../../../src-main/growth/plan/plan-file.ts';
import { describeSource, joinMethodIds, createSavedPlan, stagesFromRecord, type NamedSource, type SavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { makeRequest, makeTinyModel, type TinyModel } from '../tiny-model.ts';
import { gpt2, llama, familyVariants } from '../variants/index.ts';

const named = (config: JsonObject, name = 'source', seed = 1): NamedSource & TinyModel => ({
  ...makeTinyModel(config, seed),
  name,
});
const requests = [
  makeRequest('hypercloning', { hidden: 24, ffn: 40 }),
  makeRequest('net2net', { ffn: 47 }),
  makeRequest('identity', { layers: 3 }),
];
const onDisk = (plan: SavedPlan): SavedPlan => readPlan(JSON.parse(JSON.stringify(plan)), 'plan.json');
/** A plan with one thing in it changed. */
function spoiled(plan: SavedPlan, path: readonly (string | number)[], value: unknown): unknown {
  const copy = JSON.parse(JSON.stringify(plan)) as Record<string | number, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as typeof at;
  at[path.at(-1)!] = value;
  return copy;
}

describe.each(Object.entries(familyVariants))('%s', (_, config) => {
  it('a plan read back is the plan, and makes the same values', () => {
    const source = named(config);
    const { hidden, ffn } = source.dims as Record<string, number>;
    const plan = createSavedPlan(
      source,
      [
        makeRequest('hypercloning', { hidden: 2 * hidden!, ffn: 2 * ffn! }),
        makeRequest('identity', { layers: source.dims['layers']! + 1 }),
      ],
      'print',
    );
    const back = onDisk(plan);
    expect(back).toEqual(JSON.parse(JSON.stringify(plan)));
    checkSource(back, describeSource(source, 'print'));
    for (const { name } of plan.stages.at(-1)!.tensors) {
      const sources = new Map(listSourceWeights(plan.stages, name).map((n) => [n, source.weights.get(n)!]));
      expect(applyStages(back.stages, name, sources), name).toEqual(applyStages(plan.stages, name, sources));
    }
    expect(diffPlans(plan, back)).toEqual([]);
  });
});

it("every method's plan is sound as a file", () => {
  const source = named(llama);
  const sizes: Readonly<Record<string, number>> = { hidden: 24, ffn: 40, layers: 4, vocab: 32 };
  for (const method of methods.values()) {
    const axis = ['hidden', 'ffn', 'layers', 'vocab'].find((a) =>
      (method.grows as readonly string[]).includes(a),
    );
    if (axis === undefined || method.id === 'solar') continue;
    try {
      onDisk(createSavedPlan(source, makeRequest(method.id, { [axis]: sizes[axis]! }), null));
    } catch (error) {
      if (!String((error as { code?: string }).code).match(/^growth\/(no-|not-|constraint|option)/))
        throw error;
    }
  }
});

describe('a plan for another source is refused with what differs', () => {
  const plan = createSavedPlan(named(llama), requests, 'print');
  it.each([
    ['family', named(gpt2), 'print', /the family is llama in the plan and gpt2/],
    ['sizes', named({ ...llama, intermediate_size: 24 }), 'print', /ffn is 20 in the plan and 24/],
    ['layers', named({ ...llama, num_hidden_layers: 3 }), 'print', /layers is 2 in the plan and 3/],
    [
      'config',
      named({ ...llama, rms_norm_eps: 0.02 }),
      'print',
      /rms_norm_eps of config.json is 0.01 in the plan and 0.02/,
    ],
    [
      'a new key',
      named({ ...llama, rope_theta: 5000 }),
      'print',
      /rope_theta of config.json is absent in the plan and 5000/,
    ],
    ['weights', named(llama), 'other', /the fingerprint of the weights is print in the plan and other/],
    [
      'types',
      {
        ...named(llama),
        tensors: named(llama).tensors.map((t, i) => (i === 3 ? { ...t, dtype: 'bfloat16' as const } : t)),
      },
      'print',
      /the type of .+ is float32 in the plan and bfloat16/,
    ],
  ] as const)('%s', async (_, source, print, words) => {
    expect(
      (
        await expectAppError('growth/other-source', () => {
          checkSource(plan, describeSource(source, print));
        })
      ).message,
    ).toMatch(words);
  });
  it('what does not matter is passed over', () => {
    checkSource(
      plan,
      describeSource(
        named({ ...llama, _name_or_path: 'elsewhere', transformers_version: '9' }, 'another name'),
        'print',
      ),
    );
    checkSource(plan, describeSource(named(llama), null));
  });
});

describe('a plan that does not hold together is refused', () => {
  const plan = createSavedPlan(named(llama), requests, null);
  const last = plan.stages.length - 1;
  it.each([
    ['nothing', (): unknown => null, /it: /],
    ['a newer version', () => spoiled(plan, ['version'], 3), /version 3, and this Cambium reads versions up to 2/],
    ['another format', () => spoiled(plan, ['format'], 'x'), /format/],
    ['no stages', () => spoiled(plan, ['stages'], []), /stages/],
    [
      'a fraction of a size',
      () => spoiled(plan, ['stages', 0, 'to', 'hidden'], 24.5),
      /stages\.0\.to\.hidden/,
    ],
    [
      'sizes that do not follow',
      () => spoiled(plan, ['stages', 1, 'from', 'hidden'], 25),
      /stage 2.* starts from sizes/,
    ],
    ['sizes beside its config', () => spoiled(plan, ['stages', last, 'to', 'layers'], 4), /its config says/],
    [
      "a shape that is not the model's",
      () => spoiled(plan, ['stages', last, 'tensors', 2, 'to'], [24, 25]),
      /should become/,
    ],
    [
      'a weight from nowhere',
      () => spoiled(plan, ['stages', last, 'tensors', 2, 'source'], 'nowhere'),
      /made from nowhere/,
    ],
    [
      'a weight less',
      () => spoiled(plan, ['stages', last, 'tensors'], plan.stages[last]!.tensors.slice(1)),
      /should become|makes \d+ weights/,
    ],
    [
      'a map beyond its ends',
      () => spoiled(plan, ['stages', 0, 'maps', 'hidden', 'pieces', 1, 'length'], 13),
      /overlap or run past an end/,
    ],
    [
      'a factor that is no number',
      () => spoiled(plan, ['stages', 0, 'tensors', 2, 'factors', 0, 'by'], 'half'),
      /factors/,
    ],
    [
      'a weight twice',
      () =>
        spoiled(
          plan,
          ['stages', last, 'tensors'],
          [...plan.stages[last]!.tensors, plan.stages[last]!.tensors[0]],
        ),
      /makes \d+ weights/,
    ],
    [
      'a layout that is none',
      () => spoiled(plan, ['stages', 0, 'tensors', 2, 'layout'], 'sideways'),
      /invalid layout "sideways"/,
    ],
    [
      'copies that are not all counted',
      () => spoiled(plan, ['stages', 1, 'maps', 'ffn', 'counts'], [1]),
      /counts the copies of 1 entries of \d+/,
    ],
    [
      'a family that is none',
      () => spoiled(plan, ['stages', 0, 'family'], 'nonsense'),
      /no family is called/,
    ],
  ] as const)('%s', async (_, make, words) => {
    expect((await expectAppError('growth/bad-plan', () => readPlan(make(), 'plan.json'))).message).toMatch(words);
  });
});

it('says what differs between two plans, layers that are alike in one line', () => {
  const source = named(llama);
  const a = createSavedPlan(source, requests, null);
  const b = createSavedPlan(
    source,
    [{ ...requests[0]!, seed: 8 }, makeRequest('net2net', { ffn: 45 }), requests[2]!],
    null,
  );
  const found = diffPlans(a, b);
  const line = (what: RegExp): (typeof found)[number] | undefined => found.find((d) => what.test(d.what));
  expect(found[0]).toEqual({ where: 'Stage 1', what: 'seed', first: '7', second: '8' });
  expect(line(/^ffn after$/)).toEqual({ where: 'Stage 2', what: 'ffn after', first: '47', second: '45' });
  expect(found.filter((d) => d.where === 'Stage 1')).toHaveLength(1);
  expect(line(/mlp\.up_proj\.weight: shape \(2 weights\)/)).toMatchObject({
    where: 'Stage 2',
    first: '[47, 24]',
    second: '[45, 24]',
  });
  expect(line(/mlp\.up_proj\.weight: shape \(3 weights\)/)).toMatchObject({ where: 'Stage 3' });
  expect(diffPlans(a, createSavedPlan(source, requests.slice(0, 2), null))).toContainEqual({
    where: 'Stage 3',
    what: 'method',
    first: 'identity',
    second: null,
  });
  expect(diffPlans(a, createSavedPlan(named({ ...llama, rms_norm_eps: 0.02 }), requests, null))).toContainEqual({
    where: 'Source',
    what: 'config rms_norm_eps',
    first: '0.01',
    second: '0.02',
  });
});

it('a record tells its stages, with those before it when asked, of whatever age', () => {
  const source = named(llama);
  const plan = createSavedPlan(source, requests, null);
  const old = createSavedPlan(source, requests[0]!, null);
  expect(joinMethodIds(stagesFromRecord({ plan }))).toBe('hypercloning + net2net + identity');
  expect(joinMethodIds(stagesFromRecord({ plan: old.stages[0] }))).toBe('hypercloning');
  expect(joinMethodIds(stagesFromRecord({ plan, before: [old] }, { before: true }))).toBe(
    'hypercloning + hypercloning + net2net + identity',
  );
  expect(stagesFromRecord(null)).toEqual([]);
  for (const cut of [{}, { stages: [null] }, { stages: [{ tensors: [] }] }])
    expect(() => stagesFromRecord({ plan: cut })).toThrow(/growth\.json.*has no weights/);
});
