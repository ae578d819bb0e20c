import { flushSync } from 'svelte';
import { describe, expect, it } from 'vitest';
import { planRecipe } from '../../../src-main/growth/plan/chain.ts';
import { readPlan, savedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { RecipeState } from '../../../src-renderer/state/recipe.svelte.ts';
import { cardOf, stories } from '../fake-service.ts';

const card = cardOf(stories, '/data/stories260K');
const made = (): RecipeState => {
  const recipe = new RecipeState(card, 'hypercloning');
  recipe.add();
  recipe.stage.choose('identity');
  recipe.stage.resize('layers', 7);
  return recipe;
};

describe('a recipe', () => {
  it('is one stage at first, and each further one starts from what is there', () => {
    const recipe = new RecipeState(card, 'hypercloning');
    expect(recipe.plans).toHaveLength(1);
    recipe.add();
    expect([recipe.at, recipe.stage.card.dims['hidden']]).toEqual([1, 128]);
    expect(recipe.stage.method.grows).toContain('layers');
    recipe.stage.choose('identity');
    recipe.stage.resize('layers', 7);
    expect(recipe.plans!.map((plan) => [plan.request.method, plan.to['hidden'], plan.to['layers']])).toEqual([
      ['hypercloning', 128, 5],
      ['identity', 128, 7],
    ]);
    expect(recipe.plans).toEqual(planRecipe(card, recipe.requests));
    expect(recipe.after!.parameters).toBe(recipe.plans!.at(-1)!.parameters.after);
    expect(recipe.before.parameters).toBe(card.parameters);
  });

  it('follows a change of an earlier stage through the later ones', () => {
    const recipe = made();
    recipe.at = 0;
    recipe.stage.resize('hidden', 192);
    flushSync();
    expect(recipe.plans!.map((plan) => plan.to['hidden'])).toEqual([192, 192]);
    recipe.stage.resize('hidden', 100);
    flushSync();
    expect([recipe.plans, recipe.refusedAt, recipe.after]).toEqual([undefined, 0, undefined]);
    expect(recipe.drawn.map((plan) => plan.to['hidden'])).toEqual([192, 192]);
  });

  it('is put into another order, and stages are taken out', () => {
    const recipe = made();
    recipe.move(1, -1);
    flushSync();
    expect([recipe.at, recipe.plans!.map((plan) => [plan.request.method, plan.from['hidden']])]).toEqual([
      0,
      [
        ['identity', 64],
        ['hypercloning', 64],
      ],
    ]);
    expect(recipe.plans).toEqual(planRecipe(card, recipe.requests));
    recipe.move(0, -1);
    expect(recipe.plans![0]!.request.method).toBe('identity');
    recipe.remove(0);
    flushSync();
    expect(recipe.plans!.map((plan) => plan.request.method)).toEqual(['hypercloning']);
    recipe.remove(0);
    expect(recipe.stages).toHaveLength(1);
  });

  it('is kept as a plan and taken up again, to the letter until it is changed', () => {
    const recipe = made();
    const plan = readPlan(JSON.parse(JSON.stringify(recipe.saved('print'))), 'plan.json');
    const other = new RecipeState(card);
    expect(plan).toEqual(JSON.parse(JSON.stringify(savedPlan(card, recipe.requests, 'print'))));
    other.take(plan, 'plan.json');
    expect(other.plans).toEqual(recipe.plans);
    expect(other.followed).toMatchObject({ name: 'plan.json', otherwise: [] });
    other.stage.resize('hidden', 192);
    flushSync();
    expect(other.followed).toBeUndefined();
    other.stage.resize('hidden', 128);
    flushSync();
    expect(other.followed?.plan).toBe(plan);
  });

  it('says in what a plan from a file is not what would be planned now', () => {
    const plan = JSON.parse(JSON.stringify(made().saved('print'))) as {
      stages: { tensors: { factors: { by: number }[] }[] }[];
    };
    plan.stages[0]!.tensors.find((t) => t.factors.length > 0)!.factors[0]!.by = 0.25;
    const recipe = new RecipeState(card);
    recipe.take(readPlan(plan, 'plan.json'), 'plan.json');
    expect(recipe.followed!.otherwise).toHaveLength(1);
    expect(recipe.followed!.otherwise[0]!.what).toMatch(/factors/);
  });
});
