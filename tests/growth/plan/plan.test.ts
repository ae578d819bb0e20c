/**
 * @file Plans of every method for every family, and of published models, whose configs and parameter counts are
 * in tests/fixtures/configs.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { multiplySizes } from '../../../src-main/growth/plan/sizes.ts';
import type { GrowthPlan, GrowthSource } from '../../../src-main/growth/recipe.ts';
import { dimsOf, settingsOf } from '../../../src-main/model/config.ts';
import { familyById, familyOf } from '../../../src-main/model/families/index.ts';
import { normalizesStream } from '../../../src-main/growth/plan/post-norm.ts';
import { parametersOf } from '../../../src-main/model/parameters.ts';
import { countElements } from '../../../src-main/tensor/layout.ts';
import { growableSizes, makeRequest, makeTinyModel, type TinyModel } from '../tiny-model.ts';
import { familyVariants } from '../variants/index.ts';

interface PublishedModel {
  readonly config: JsonObject;
  readonly parameters: number;
  readonly grown: readonly { readonly times: Record<string, number>; readonly parameters: number }[];
}
const folder = join(import.meta.dirname, '../../fixtures/configs');
const readModel = (file: string): PublishedModel =>
  JSON.parse(readFileSync(join(folder, file), 'utf8')) as PublishedModel;
const published = readdirSync(folder).map((file) => [file, readModel(file)] as const);

/** A source without weights, as far as a plan needs it. */
function sourceOf(config: JsonObject): GrowthSource {
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const tensors = parametersOf(family, dims, settings).map(({ name }) => ({
    name,
    dtype: 'bfloat16' as const,
  }));
  return { family: family.id, dims, settings, config, tensors };
}
const countParameters = (plan: GrowthPlan): number =>
  plan.tensors.reduce((sum, recipe) => sum + countElements(recipe.to), 0);

describe('a plan for a published model', () => {
  it.each(published)('has the right number of parameters: %s', (_, { config, parameters, grown }) => {
    const source = sourceOf(config);
    const plan = planGrowth(source, makeRequest('expand', multiplySizes({ ffn: 2 }, source.dims)));
    expect(plan.parameters.before).toBe(parameters);
    for (const { times, parameters: after } of grown) {
      const larger = planGrowth(source, makeRequest('hypercloning', multiplySizes(times, source.dims)));
      expect(larger.parameters.after).toBe(after);
      expect(countParameters(larger)).toBe(after);
    }
  });

  it('of 7 billion parameters is made from its config alone', () => {
    const source = sourceOf(published.find(([file]) => file.includes('7b'))![1].config);
    expect(source.tensors).toHaveLength(291);
    expect(planGrowth(source, makeRequest('net2net', { ffn: 12_345 })).to).toMatchObject({ ffn: 12_345 });
    for (const method of ['hypercloning', 'expand', 'clone-pad']) {
      expect(planGrowth(source, makeRequest(method, { hidden: 8192 })).tensors).toHaveLength(291);
    }
  });
});

/** Sizes that the method can grow the model to; empty if there are none. */
function sizesFor(method: string, source: TinyModel): Readonly<Record<string, number>> {
  const { ffn, layers } = source.dims as { ffn: number; layers: number };
  const inner = { ffn: ffn + 11 };
  const family = familyById(source.family);
  // Where heads cannot grow, only some methods grow hidden by wider heads.
  const keepsWidth = normalizesStream(family) || family.frozen.heads !== undefined;
  if (method === 'hypercloning') return growableSizes(source, { hidden: 24, ffn: 2 * ffn });
  if (method === 'net2net' || method === 'aki') return growableSizes(source, inner);
  if (method === 'vocab') return { vocab: 64 };
  if (methods.get(method)!.mapLayers) return { layers: 2 * layers };
  return growableSizes(source, keepsWidth ? inner : { hidden: 24, ...inner });
}

const denseMethods = [...methods.values()].filter((method) => !method.mixture).map((method) => method.id);
describe.each(denseMethods)('a plan of %s', (method) => {
  const sources = Object.entries(familyVariants).map(
    ([name, config]) => [name, config, makeTinyModel(config)] as const,
  );
  const growable = sources.filter(([, , source]) => Object.keys(sizesFor(method, source)).length > 0);

  describe.each(growable)('for %s', (_, config, source) => {
    const family = familyOf(config);
    const request = makeRequest(method, sizesFor(method, source));
    const plan = planGrowth(source, request);

    it('is deterministic and survives JSON', () => {
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      expect(planGrowth(source, request)).toEqual(plan);
    });

    it('has a config with its sizes, the settings of the source, and all keys of the source', () => {
      expect(dimsOf(family, plan.config)).toEqual(plan.to);
      const { tied, ...settings } = settingsOf(family, plan.config);
      const { tied: sourceTied, ...sourceSettings } = source.settings;
      // A list with a value for each layer follows the layers.
      const expected = Object.entries(sourceSettings).map(([name, value]): [string, unknown] => {
        const isPerLayer = Array.isArray(value) && value.length === source.dims['layers'];
        return [name, isPerLayer ? plan.layers.map((layer) => value[layer.source] as unknown) : value];
      });
      expect(settings).toEqual(Object.fromEntries(expected));
      const saysUntied = plan.notes.some((note) => note.includes('weights of its own'));
      expect(tied === sourceTied || saysUntied).toBe(true);
      expect(Object.keys(config).filter((key) => !(key in plan.config))).toEqual([]);
    });

    it('makes every weight of the grown model from one of the source', () => {
      const { tied } = settingsOf(family, plan.config);
      const parameters = parametersOf(family, plan.to, { ...source.settings, tied: tied! });
      expect(plan.tensors.map((recipe) => [recipe.name, recipe.to])).toEqual(
        parameters.map((parameter) => [parameter.name, parameter.shape]),
      );
      for (const recipe of plan.tensors) {
        expect(source.weights.has(recipe.source), recipe.name).toBe(true);
        expect(recipe.lrScale, recipe.name).toBeGreaterThan(0);
      }
      expect(countParameters(plan)).toBe(plan.parameters.after);
    });

    it('has every option of the method, filled in with its default', () => {
      const defaults = methods.get(method)!.options.map((option) => [option.id, option.default]);
      expect(plan.request.options).toEqual(Object.fromEntries(defaults));
    });
  });
});
