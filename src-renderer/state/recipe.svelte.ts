/**
 * @file Growths in sequence as they are being asked for: each stage starts from what the one before makes,
 * and the plan of the whole follows from all of them.
 */
import type { CheckpointCard } from '../../src-main/contract/schema.ts';
import { notesOf, promiseOf } from '../../src-main/growth/plan/chain.ts';
import { diffPlans, type Difference } from '../../src-main/growth/plan/plan-diff.ts';
import type { GrowthPlan, GrowthRequest } from '../../src-main/growth/recipe.ts';
import { isEqual, markOf, type SavedPlan } from '../../src-main/growth/plan/saved-plan.ts';
import { GrowthState } from './growth.svelte.ts';

/** A plan from a file that is being followed, and in what this Cambium would plan it otherwise. */
export interface Followed {
  readonly name: string;
  readonly plan: SavedPlan;
  readonly otherwise: readonly Difference[];
}

const copied = ({ method, to, options, seed, dtype }: GrowthRequest): GrowthRequest => ({
  method,
  to: { ...to },
  options: { ...options },
  seed,
  dtype,
});

export class RecipeState {
  readonly card: CheckpointCard;
  stages = $state.raw<readonly GrowthState[]>([]);
  /** The stage that is being changed. */
  at = $state(0);
  stage = $derived(this.stages[Math.min(this.at, this.stages.length - 1)]!);
  requests = $derived(this.stages.map((stage) => copied(stage.request)));
  /** A plan for each stage, or undefined while one of them is refused. */
  plans = $derived.by<readonly GrowthPlan[] | undefined>(() => {
    const plans = this.stages.map((stage) => stage.plan);
    return plans.every((plan) => plan !== undefined) ? plans : undefined;
  });
  /** The plans to draw: where one is refused, the last that was possible. */
  drawn = $derived(this.stages.map((stage) => stage.drawn).filter((plan) => plan !== undefined));
  /** The first stage that is refused. */
  refusedAt = $derived(this.stages.findIndex((stage) => stage.refusal));
  promise = $derived(this.plans && promiseOf(this.plans));
  notes = $derived(this.plans ? notesOf(this.plans) : []);
  before = $derived.by(() => this.stages[0]!.before);
  after = $derived.by(() => (this.plans ? this.stages.at(-1)!.after : undefined));
  #followed = $state.raw<Followed>();
  /** The plan from a file, until something is asked for otherwise. */
  followed = $derived.by(() =>
    this.#followed &&
    this.plans &&
    isEqual(
      this.#followed.plan.stages.map((plan) => copied(plan.request)),
      this.plans.map((plan) => copied(plan.request)),
    )
      ? this.#followed
      : undefined,
  );

  constructor(card: CheckpointCard, method?: string) {
    this.card = card;
    this.stages = [this.#opened(method)];
  }

  #opened(method?: string): GrowthState {
    let stage: GrowthState | undefined = undefined; // asks for its source before it is there
    return (stage = new GrowthState(() => this.#before(stage), method));
  }

  /** What a stage starts from; one that is being made stands at the end. */
  #before(stage: GrowthState | undefined): GrowthState['card'] {
    const i = stage === undefined ? -1 : this.stages.indexOf(stage);
    const last = i < 0 ? this.stages.at(-1) : this.stages[i - 1];
    return last?.made ?? this.card;
  }

  /** One more stage at the end: depth after width, width after anything else. */
  add(): void {
    const last = this.stages.at(-1)!;
    this.stages = [
      ...this.stages,
      this.#opened(
        last.methods.find((m) => m.grows.includes('layers') && !last.method.grows.includes('layers'))?.id,
      ),
    ];
    this.at = this.stages.length - 1;
  }

  remove(i: number): void {
    if (this.stages.length === 1) return;
    this.stages = this.stages.filter((_, at) => at !== i);
    this.at = Math.min(this.at > i ? this.at - 1 : this.at, this.stages.length - 1);
  }

  /** One place earlier (-1) or later (1). */
  move(i: number, by: -1 | 1): void {
    const to = i + by;
    const stages = [...this.stages];
    if (to < 0 || to >= stages.length) return;
    [stages[i], stages[to]] = [stages[to]!, stages[i]!];
    this.stages = stages;
    if (this.at === i) this.at = to;
    else if (this.at === to) this.at = i;
  }

  /** As a saved plan says; it is followed to the letter until something is changed. */
  take(plan: SavedPlan, name: string): void {
    this.stages = [];
    for (const { request } of plan.stages) {
      const stage = this.#opened(request.method);
      stage.take(request);
      this.stages = [...this.stages, stage];
    }
    this.at = 0;
    this.#followed = {
      name,
      plan,
      otherwise: this.plans ? diffPlans(plan, this.saved(plan.source.fingerprint)!) : [],
    };
  }

  /** The plan as a file, or undefined while a stage is refused. */
  saved(fingerprint: string | null): SavedPlan | undefined {
    return (
      this.plans && {
        format: 'cambium-plan',
        version: 1,
        source: markOf(this.card, fingerprint),
        stages: this.plans,
      }
    );
  }
}
