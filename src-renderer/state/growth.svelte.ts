/** @file One stage of the growth form: its settings, and the plan that follows from them. */
import { toErrorData, type ErrorData } from '../../src-main/base/errors.ts';
import type { OptionValue } from '../../src-main/base/option.ts';
import type { CheckpointSummary } from '../../src-main/contract/schema.ts';
import { sourceFromPlan } from '../../src-main/growth/plan/stages.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import type { GrowthMethod } from '../../src-main/growth/method.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource } from '../../src-main/growth/recipe.ts';
import type { ModelFamily } from '../../src-main/model/family.ts';
import { familyById } from '../../src-main/model/families/index.ts';
import type { Axis } from '../../src-main/tensor/layout.ts';
import { suggestFixes } from './growth-suggestions.ts';
import { computeModelCost, weightBytes } from './model-cost.ts';

export type PlanResult = { readonly plan: GrowthPlan } | { readonly refusal: ErrorData };

/** What a stage starts from: a checkpoint, or the result of the stage before. */
export type StageSource = GrowthSource & Pick<CheckpointSummary, 'parameters' | 'active' | 'bytes'>;

export class GrowthState {
  readonly #source: () => StageSource;
  source = $derived.by(() => this.#source());
  readonly methods: readonly GrowthMethod[] = [...methods.values()];
  methodId = $state('');
  /** Sizes that the person set; the other sizes follow from them. */
  chosenSizes = $state<Record<string, number>>({});
  options = $state<Record<string, OptionValue>>({});
  seed = $state(0);
  dtype = $state<GrowthRequest['dtype']>('keep');

  method = $derived(methods.get(this.methodId)!);
  request = $derived<GrowthRequest>({
    method: this.methodId,
    to: { ...this.chosenSizes },
    options: { ...this.options },
    seed: this.seed,
    dtype: this.dtype,
  });
  #lastPlan: GrowthPlan | undefined;
  /** False as long as the sizes are a proposal. */
  #hasChosenSizes = false;
  planResult = $derived.by<PlanResult>(() => {
    try {
      const plan = planGrowth(this.source, this.request);
      this.#lastPlan = plan;
      return { plan };
    } catch (thrown) {
      return { refusal: toErrorData(thrown) };
    }
  });
  plan = $derived('plan' in this.planResult ? this.planResult.plan : undefined);
  refusal = $derived('refusal' in this.planResult ? this.planResult.refusal : undefined);
  /** The plan, or the last valid one while the settings are refused, so that the page does not jump. */
  shownPlan = $derived.by(() => ('plan' in this.planResult ? this.planResult.plan : this.#lastPlan));
  /** What the next stage starts from, by `shownPlan`. */
  result = $derived.by<StageSource>(() => {
    const plan = this.shownPlan;
    if (!plan) return this.source;
    const { after, active } = plan.parameters;
    return {
      ...sourceFromPlan(plan),
      parameters: after,
      ...(active ? { active: active.after } : {}),
      bytes: weightBytes(plan),
    };
  });
  suggestions = $derived(this.refusal ? suggestFixes(this.refusal) : []);
  /** The axes that this method can grow in this family, in the family's order. */
  growableAxes = $derived.by(() => {
    const family = familyById(this.source.family);
    return Object.keys(family.dims).filter((axis) => isGrowable(this.method, family, axis));
  });
  /** The sizes that each slider stops at. */
  sliderStops = $derived.by(() => {
    const family = familyById(this.source.family);
    const stopsOf = (axis: string): readonly number[] =>
      sliderStopsOf(this.method, axis, this.source.dims[axis]!, this.options, family);
    return Object.fromEntries(this.growableAxes.map((axis) => [axis, stopsOf(axis)]));
  });
  before = $derived.by(() => computeModelCost(this.source, this.source.settings['positions']));
  after = $derived.by(() => {
    if (!this.plan) return undefined;
    const { parameters, to } = this.plan;
    return computeModelCost(
      {
        parameters: parameters.after,
        active: parameters.active?.after,
        bytes: weightBytes(this.plan),
        dims: to,
      },
      this.source.settings['positions'],
    );
  });

  constructor(source: StageSource | (() => StageSource), method?: string) {
    this.#source = typeof source === 'function' ? source : () => source;
    this.setMethod(method && methods.has(method) ? method : this.methods[0]!.id);
  }

  /** Takes all settings from the request of a saved plan. */
  load({ method, to, options, seed, dtype }: GrowthRequest): void {
    this.methodId = method;
    this.#hasChosenSizes = true;
    this.chosenSizes = { ...to };
    this.options = { ...options };
    this.seed = seed;
    this.dtype = dtype;
  }

  /** Changes the method. Sizes that it can grow are kept; if none was chosen, it proposes a doubling. */
  setMethod(id: string): void {
    this.methodId = id;
    this.options = {};
    const kept = Object.entries(this.chosenSizes).filter(([axis]) => this.growableAxes.includes(axis));
    this.chosenSizes =
      this.#hasChosenSizes && kept.length > 0 ? Object.fromEntries(kept) : this.#proposeSizes();
  }

  /** The first doubling that the method can do: of hidden and ffn, of ffn, or of another axis. */
  #proposeSizes(): Record<string, number> {
    const proposals = [['hidden', 'ffn'], ['ffn'], ...this.growableAxes.map((axis) => [axis])]
      .filter((axes) => axes.every((axis) => this.growableAxes.includes(axis)))
      .map((axes) => Object.fromEntries(axes.map((axis) => [axis, 2 * this.source.dims[axis]!])));
    const isPossible = (to: Record<string, number>): boolean => {
      try {
        planGrowth(this.source, { ...this.request, to });
        return true;
      } catch {
        return false;
      }
    };
    return proposals.find(isPossible) ?? proposals[0] ?? {};
  }

  /** True if the size of this axis is the reason of the refusal. */
  isRefused(axis: string): boolean {
    const detail = this.refusal?.detail as { axis?: string; of?: string } | undefined;
    return detail !== undefined && (detail.axis === axis || detail.of === axis);
  }

  /** Sets a size; with `undefined` it follows from the other sizes again. */
  setSize(axis: string, size: number | undefined): void {
    this.#hasChosenSizes = true;
    const others = Object.entries(this.chosenSizes).filter(([other]) => other !== axis);
    const chosen = size === undefined ? [] : [[axis, size] as const];
    this.chosenSizes = Object.fromEntries([...others, ...chosen]);
  }

  setOption(id: string, value: OptionValue): void {
    this.options[id] = value;
  }

  /** The size to show for an axis: chosen, planned, or that of the source. */
  sizeOf(axis: string): number {
    return this.chosenSizes[axis] ?? this.plan?.to[axis] ?? this.source.dims[axis]!;
  }
}

function isGrowable(method: GrowthMethod, family: ModelFamily, axis: string): boolean {
  const isFrozen = axis in family.frozen && method.allowsFrozen?.(family, axis as Axis) !== true;
  return method.grows.includes(axis as Axis) && !isFrozen && family.dims[axis]!.keys.length > 0;
}

/**
 * The sizes from 1× to 8× (layers: to 4×) that the method can reach: every number of layers, and multiples of an
 * eighth of any other axis.
 */
export function sliderStopsOf(
  method: GrowthMethod,
  axis: string,
  from: number,
  options: Readonly<Record<string, OptionValue>>,
  family: ModelFamily,
): readonly number[] {
  if (axis === 'layers')
    return Array.from({ length: 3 * from + 1 }, (_, i) => from + i).filter(
      (to) => to === from || !('nearest' in (method.mapLayers?.(from, to, options) ?? [])),
    );
  const step = Math.max(1, from / 8);
  const candidates = Array.from({ length: Math.round((7 * from) / step) + 1 }, (_, i) =>
    Math.round(from + i * step),
  );
  const isReached = (to: number): boolean =>
    !('nearest' in method.mapAxis({ axis: axis as Axis, from, to, family }, options));
  return candidates.filter((to, i) => to !== candidates[i - 1]).filter((to) => to === from || isReached(to));
}
