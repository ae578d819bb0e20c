/** @file Plan files: a plan survives JSON, and a file with a fault is refused with the place of the fault. */
import { describe, expect, it } from 'vitest';
import { applyStages } from '../../../src-main/growth/apply/apply-stages.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { checkSource } from '../../../src-main/growth/plan/check-source.ts';
import { diffPlans } from '../../../src-main/growth/plan/plan-diff.ts';
import { readPlan } from '../../../src-main/growth/plan/plan-file.ts';
import { createSavedPlan, describeSource, type SavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { listSourceWeights } from '../../../src-main/growth/plan/stages.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { growableSizes, makeRequest } from '../tiny-model.ts';
import { familyVariants, llama } from '../variants/index.ts';
import { makeNamedSource, threeStages } from './named-source.ts';

const writeAndRead = (plan: SavedPlan): SavedPlan => readPlan(JSON.parse(JSON.stringify(plan)), 'plan.json');

describe('a plan that is written and read', () => {
  it.each(Object.entries(familyVariants))('is the same plan, and grows the same weights: %s', (_, config) => {
    const source = makeNamedSource(config);
    const { hidden, ffn, layers } = source.dims as Record<string, number>;
    const requests = [
      makeRequest('hypercloning', growableSizes(source, { hidden: 2 * hidden!, ffn: 2 * ffn! })),
      makeRequest('identity', { layers: layers! + 1 }),
    ];
    const plan = createSavedPlan(source, requests, 'print');
    const back = writeAndRead(plan);
    expect(back).toEqual(JSON.parse(JSON.stringify(plan)));
    checkSource(back, describeSource(source, 'print'));
    for (const { name } of plan.stages.at(-1)!.tensors) {
      const names = listSourceWeights(plan.stages, name);
      const inputs = new Map(names.map((input) => [input, source.weights.get(input)!]));
      const expected = applyStages(plan.stages, name, inputs);
      expect(applyStages(back.stages, name, inputs), name).toEqual(expected);
    }
    expect(diffPlans(plan, back)).toEqual([]);
  });

  it('may be of any method', () => {
    const source = makeNamedSource(llama);
    const sizes = { hidden: 24, ffn: 40, layers: 4, vocab: 32 } as const;
    const axes = Object.keys(sizes) as (keyof typeof sizes)[];
    for (const method of methods.values()) {
      const axis = axes.find((one) => (method.grows as readonly string[]).includes(one));
      if (axis === undefined || method.id === 'solar') continue;
      try {
        writeAndRead(createSavedPlan(source, makeRequest(method.id, { [axis]: sizes[axis] }), null));
      } catch (error) {
        // Some methods cannot grow this axis to this size; any other error is a fault of the file.
        const { code } = error as { code?: string };
        if (!/^growth\/(no-|not-|constraint|option)/.test(String(code))) throw error;
      }
    }
  });
});

describe('a plan file is refused', () => {
  const plan = createSavedPlan(makeNamedSource(llama), threeStages, null);
  const last = plan.stages.length - 1;
  const tensors = plan.stages[last]!.tensors;
  type Path = readonly (string | number)[];

  /** The JSON of the plan with the value at `path` replaced. */
  function replaceAt(path: Path, value: unknown): unknown {
    const copy = JSON.parse(JSON.stringify(plan)) as Record<string | number, unknown>;
    let parent = copy;
    for (const key of path.slice(0, -1)) parent = parent[key] as typeof parent;
    parent[path.at(-1)!] = value;
    return copy;
  }

  // One fault a line: what it is, where, the value, the error.
  // prettier-ignore
  const faults: readonly (readonly [fault: string, path: Path, value: unknown, message: RegExp])[] = [
    ['a newer version', ['version'], 4, /version 4, and this Cambium reads versions up to 3/],
    ['another format', ['format'], 'x', /format/],
    ['no stages', ['stages'], [], /stages/],
    ['a size that is not whole', ['stages', 0, 'to', 'hidden'], 24.5, /stages\.0\.to\.hidden/],
    ['a stage that does not start from the sizes before it', ['stages', 1, 'from', 'hidden'], 25, /stage 2.* starts from sizes/],
    ['sizes that contradict the config', ['stages', last, 'to', 'layers'], 4, /its config says/],
    ['a shape that the model does not have', ['stages', last, 'tensors', 2, 'to'], [24, 25], /should become/],
    ['a source weight that does not exist', ['stages', last, 'tensors', 2, 'source'], 'nowhere', /made from nowhere/],
    ['a missing weight', ['stages', last, 'tensors'], tensors.slice(1), /should become|makes \d+ weights/],
    ['a weight that is made twice', ['stages', last, 'tensors'], [...tensors, tensors[0]], /makes \d+ weights/],
    ['a map that runs past its end', ['stages', 0, 'maps', 'hidden', 'pieces', 1, 'length'], 13, /overlap or run past an end/],
    ['a factor that is not a number', ['stages', 0, 'tensors', 2, 'factors', 0, 'by'], 'half', /factors/],
    ['an unknown layout', ['stages', 0, 'tensors', 2, 'layout'], 'sideways', /invalid layout "sideways"/],
    ['counts for some copies only', ['stages', 1, 'maps', 'ffn', 'counts'], [1], /counts the copies of 1 entries of \d+/],
    ['an unknown family', ['stages', 0, 'family'], 'nonsense', /no family is called/],
  ];
  const refuse = async (json: unknown, message: RegExp): Promise<void> => {
    const error = await expectAppError('growth/bad-plan', () => readPlan(json, 'plan.json'));
    expect(error.message).toMatch(message);
  };

  it.each(faults)('with %s', async (_, path, value, message) => {
    await refuse(replaceAt(path, value), message);
  });
  it('if it is null', async () => {
    await refuse(null, /it: /);
  });
});
