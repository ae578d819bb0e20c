import { flushSync } from 'svelte';
import { describe, expect, it } from 'vitest';
import { planStages } from '../../../src-main/growth/plan/stages.ts';
import { readPlan } from '../../../src-main/growth/plan/plan-file.ts';
import { createSavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { RecipeState } from '../../../src-renderer/state/recipe.svelte.ts';
import { createSummary, storiesConfig } from '../fake/models.ts';

const checkpoint = createSummary(storiesConfig, '/data/stories260K');
/** HyperCloning, then identity layers. */
function createRecipe(): RecipeState {
  const recipe = new RecipeState(checkpoint, 'hypercloning');
  recipe.add();
  recipe.stage.setMethod('identity');
  recipe.stage.setSize('layers', 7);
  return recipe;
}

describe('RecipeState', () => {
  it('starts each stage from the result of the stage before', () => {
    const recipe = new RecipeState(checkpoint, 'hypercloning');
    expect(recipe.plans).toHaveLength(1);
    recipe.add();
    expect([recipe.selected, recipe.stage.source.dims['hidden']]).toEqual([1, 128]);
    expect(recipe.stage.method.grows).toContain('layers');
    recipe.stage.setMethod('identity');
    recipe.stage.setSize('layers', 7);
    expect(recipe.plans!.map((plan) => [plan.request.method, plan.to['hidden'], plan.to['layers']])).toEqual([
      ['hypercloning', 128, 5],
      ['identity', 128, 7],
    ]);
    expect(recipe.plans).toEqual(planStages(checkpoint, recipe.requests));
    expect(recipe.after!.parameters).toBe(recipe.plans!.at(-1)!.parameters.after);
    expect(recipe.before.parameters).toBe(checkpoint.parameters);
  });

  it('plans later stages again when an earlier stage changes', () => {
    const recipe = createRecipe();
    recipe.selected = 0;
    recipe.stage.setSize('hidden', 192);
    flushSync();
    expect(recipe.plans!.map((plan) => plan.to['hidden'])).toEqual([192, 192]);
    recipe.stage.setSize('hidden', 100);
    flushSync();
    expect([recipe.plans, recipe.refusedIndex, recipe.after]).toEqual([undefined, 0, undefined]);
    expect(recipe.shownPlans.map((plan) => plan.to['hidden'])).toEqual([192, 192]);
  });

  it('moves and removes stages', () => {
    const recipe = createRecipe();
    recipe.move(1, -1);
    flushSync();
    expect([
      recipe.selected,
      recipe.plans!.map((plan) => [plan.request.method, plan.from['hidden']]),
    ]).toEqual([
      0,
      [
        ['identity', 64],
        ['hypercloning', 64],
      ],
    ]);
    expect(recipe.plans).toEqual(planStages(checkpoint, recipe.requests));
    recipe.move(0, -1);
    expect(recipe.plans![0]!.request.method).toBe('identity');
    recipe.remove(0);
    flushSync();
    expect(recipe.plans!.map((plan) => plan.request.method)).toEqual(['hypercloning']);
    recipe.remove(0);
    expect(recipe.stages).toHaveLength(1);
  });

  it('loads a saved plan, which stays valid until a setting changes', () => {
    const recipe = createRecipe();
    const plan = readPlan(JSON.parse(JSON.stringify(recipe.toSavedPlan('fingerprint'))), 'plan.json');
    const other = new RecipeState(checkpoint);
    expect(plan).toEqual(
      JSON.parse(JSON.stringify(createSavedPlan(checkpoint, recipe.requests, 'fingerprint'))),
    );
    other.load(plan, 'plan.json');
    expect(other.plans).toEqual(recipe.plans);
    expect(other.loadedPlan).toMatchObject({ name: 'plan.json', differences: [] });
    other.stage.setSize('hidden', 192);
    flushSync();
    expect(other.loadedPlan).toBeUndefined();
    other.stage.setSize('hidden', 128);
    flushSync();
    expect(other.loadedPlan?.plan).toBe(plan);
  });

  it('lists how a loaded plan differs from what this version plans', () => {
    const plan = JSON.parse(JSON.stringify(createRecipe().toSavedPlan('fingerprint'))) as {
      stages: { tensors: { factors: { by: number }[] }[] }[];
    };
    plan.stages[0]!.tensors.find((t) => t.factors.length > 0)!.factors[0]!.by = 0.25;
    const recipe = new RecipeState(checkpoint);
    recipe.load(readPlan(plan, 'plan.json'), 'plan.json');
    expect(recipe.loadedPlan!.differences).toHaveLength(1);
    expect(recipe.loadedPlan!.differences[0]!.what).toMatch(/factors/);
  });
});
