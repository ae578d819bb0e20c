/** @file The growth form: one or more stages, each of which starts from the result of the stage before. */
import type { CheckpointSummary } from '../../src-main/contract/schema.ts';
import { mergeNotes, combinePromises } from '../../src-main/growth/plan/stages.ts';
import { diffPlans, type Difference } from '../../src-main/growth/plan/plan-diff.ts';
import type { GrowthPlan, GrowthRequest } from '../../src-main/growth/recipe.ts';
import { isEqual } from '../../src-main/growth/plan/compare-json.ts';
import { describeSource, type SavedPlan } from '../../src-main/growth/plan/saved-plan.ts';
import { GrowthState, type StageSource } from './growth.svelte.ts';

/** A plan that was loaded from a file, and how this version of Cambium would plan the same request. */
export interface LoadedPlan {
  readonly name: string;
  readonly plan: SavedPlan;
  readonly differences: readonly Difference[];
}

const copyRequest = ({ method, to, options, seed, dtype }: GrowthRequest): GrowthRequest => ({
  method,
  to: { ...to },
  options: { ...options },
  seed,
  dtype,
});

export class RecipeState {
  readonly checkpoint: CheckpointSummary;
  stages = $state.raw<readonly GrowthState[]>([]);
  /** Index of the stage that the form shows. */
  selected = $state(0);
  stage = $derived(this.stages[Math.min(this.selected, this.stages.length - 1)]!);
  requests = $derived(this.stages.map((stage) => copyRequest(stage.request)));
  /** A plan for each stage; undefined while one of them is refused. */
  plans = $derived.by<readonly GrowthPlan[] | undefined>(() => {
    const plans = this.stages.map((stage) => stage.plan);
    return plans.every((plan) => plan !== undefined) ? plans : undefined;
  });
  /** The plans to draw; of a refused stage, the last valid one. */
  shownPlans = $derived(this.stages.map((stage) => stage.shownPlan).filter((plan) => plan !== undefined));
  /** Index of the first refused stage, or -1. */
  refusedIndex = $derived(this.stages.findIndex((stage) => stage.refusal));
  promise = $derived(this.plans && combinePromises(this.plans));
  notes = $derived(this.plans ? mergeNotes(this.plans) : []);
  before = $derived.by(() => this.stages[0]!.before);
  after = $derived.by(() => (this.plans ? this.stages.at(-1)!.after : undefined));
  #loadedPlan = $state.raw<LoadedPlan>();
  /** The plan from a file, as long as the form still has its requests. */
  loadedPlan = $derived.by(() => {
    if (!this.#loadedPlan || !this.plans) return undefined;
    const loaded = this.#loadedPlan.plan.stages.map((plan) => copyRequest(plan.request));
    const current = this.plans.map((plan) => copyRequest(plan.request));
    return isEqual(loaded, current) ? this.#loadedPlan : undefined;
  });

  constructor(checkpoint: CheckpointSummary, method?: string) {
    this.checkpoint = checkpoint;
    this.stages = [this.#createStage(method)];
  }

  #createStage(method?: string): GrowthState {
    // The constructor of GrowthState reads its source before `stage` is assigned.
    let stage: GrowthState | undefined = undefined;
    stage = new GrowthState(() => this.#sourceOf(stage), method);
    return stage;
  }

  /** The result of the stage before. A stage that is not in the list yet comes last. */
  #sourceOf(stage: GrowthState | undefined): StageSource {
    const index = stage === undefined ? -1 : this.stages.indexOf(stage);
    const previous = index < 0 ? this.stages.at(-1) : this.stages[index - 1];
    return previous?.result ?? this.checkpoint;
  }

  /** Adds a stage at the end: depth after width, width after anything else. */
  add(): void {
    const last = this.stages.at(-1)!;
    const method = last.method.grows.includes('layers')
      ? undefined
      : last.methods.find(({ grows }) => grows.includes('layers'));
    this.stages = [...this.stages, this.#createStage(method?.id)];
    this.selected = this.stages.length - 1;
  }

  remove(index: number): void {
    if (this.stages.length === 1) return;
    this.stages = this.stages.filter((_, i) => i !== index);
    const selected = this.selected > index ? this.selected - 1 : this.selected;
    this.selected = Math.min(selected, this.stages.length - 1);
  }

  /** Swaps a stage with the one before (-1) or after it (1). */
  move(index: number, by: -1 | 1): void {
    const target = index + by;
    if (target < 0 || target >= this.stages.length) return;
    const stages = [...this.stages];
    stages[index] = this.stages[target]!;
    stages[target] = this.stages[index]!;
    this.stages = stages;
    if (this.selected === index) this.selected = target;
    else if (this.selected === target) this.selected = index;
  }

  /** Replaces all stages. */
  setRequests(requests: readonly GrowthRequest[], selected = 0): void {
    this.stages = [];
    for (const request of requests) {
      const stage = this.#createStage(request.method);
      stage.load(request);
      this.stages = [...this.stages, stage];
    }
    this.selected = Math.min(selected, this.stages.length - 1);
  }

  /** Loads a saved plan. It is executed unchanged as long as no setting changes. */
  load(plan: SavedPlan, name: string): void {
    this.setRequests(plan.stages.map(({ request }) => request));
    const current = this.toSavedPlan(plan.source.fingerprint);
    this.#loadedPlan = { name, plan, differences: current ? diffPlans(plan, current) : [] };
  }

  /** The plan to save; undefined while a stage is refused. */
  toSavedPlan(fingerprint: string | null): SavedPlan | undefined {
    return (
      this.plans && {
        format: 'cambium-plan',
        version: 3,
        source: describeSource(this.checkpoint, fingerprint),
        stages: this.plans,
      }
    );
  }
}
