/**
 * @file A growth being asked for: what the person set is state; the plan, its cost and any refusal follow
 * from it on every move.
 */
import { dataOf, type ErrorData } from '../../src-main/base/errors.ts';
import type { OptionValue } from '../../src-main/base/option.ts';
import type { CheckpointCard } from '../../src-main/contract/schema.ts';
import { grownSource } from '../../src-main/growth/plan/chain.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import type { GrowthMethod } from '../../src-main/growth/method.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource } from '../../src-main/growth/recipe.ts';
import type { ModelFamily } from '../../src-main/model/family.ts';
import { familyById } from '../../src-main/model/families/index.ts';
import { bytesOf, type WeightDType } from '../../src-main/tensor/dtype.ts';
import { countOf, type Axis, type Dims } from '../../src-main/tensor/layout.ts';

export type Outcome = { readonly plan: GrowthPlan } | { readonly refusal: ErrorData };
export interface Suggestion {
  readonly label: string;
  readonly apply: (growth: GrowthState) => void;
}
/** `active`: parameters that one token passes; all of them but where there are experts. */
export interface Cost {
  readonly parameters: number;
  readonly active: number;
  readonly weights: number;
  readonly training: number;
  readonly flops: number;
}

/** What a stage starts from: a checkpoint's card, or what the stage before it makes. */
export type Growable = GrowthSource & Pick<CheckpointCard, 'parameters' | 'active' | 'bytes'>;

/** Tokens of context for which FLOPs are told, unless the model knows fewer positions. */
export const contextTokens = 1024;

export class GrowthState {
  readonly #source: () => Growable;
  card = $derived.by(() => this.#source());
  readonly methods: readonly GrowthMethod[] = [...methods.values()];
  methodId = $state('');
  /** Sizes the person chose; the others follow. */
  wish = $state<Record<string, number>>({});
  options = $state<Record<string, OptionValue>>({});
  seed = $state(0);
  dtype = $state<GrowthRequest['dtype']>('keep');

  method = $derived(methods.get(this.methodId)!);
  request = $derived<GrowthRequest>({
    method: this.methodId,
    to: { ...this.wish },
    options: { ...this.options },
    seed: this.seed,
    dtype: this.dtype,
  });
  #last: GrowthPlan | undefined;
  /** Whether the person asked for a size; until then the sizes are a proposal. */
  #own = false;
  outcome = $derived.by<Outcome>(() => {
    try {
      return { plan: (this.#last = planGrowth(this.card, this.request)) };
    } catch (thrown) {
      return { refusal: dataOf(thrown) };
    }
  });
  plan = $derived('plan' in this.outcome ? this.outcome.plan : undefined);
  refusal = $derived('refusal' in this.outcome ? this.outcome.refusal : undefined);
  /**
   * The plan to draw: this one, or the last one that was possible, so that nothing jumps while a size is
   * refused.
   */
  drawn = $derived.by(() => ('plan' in this.outcome ? this.outcome.plan : this.#last));
  /** What the next stage starts from: what this one makes, or made before the last change. */
  made = $derived.by<Growable>(() =>
    this.drawn
      ? {
          ...grownSource(this.drawn),
          parameters: this.drawn.parameters.after,
          ...(this.drawn.parameters.active ? { active: this.drawn.parameters.active.after } : {}),
          bytes: weightBytes(this.drawn),
        }
      : this.card,
  );
  suggestions = $derived(this.refusal ? suggestionsOf(this.refusal) : []);
  /** The sizes that this method grows in this family, in the family's order. */
  sizes = $derived.by(() => {
    const family = familyById(this.card.family);
    return Object.keys(family.dims).filter(
      (axis) =>
        this.method.grows.includes(axis as Axis) &&
        (!(axis in family.frozen) || this.method.thaws?.(family, axis as Axis) === true) &&
        family.dims[axis]!.keys.length > 0,
    );
  });
  /** Where each slider stops. */
  stops = $derived.by(() =>
    Object.fromEntries(
      this.sizes.map((axis) => [
        axis,
        stopsOf(this.method, axis, this.card.dims[axis]!, this.options, familyById(this.card.family)),
      ]),
    ),
  );
  before = $derived.by(() =>
    costOf(
      this.card.parameters,
      this.card.active,
      this.card.bytes,
      this.card.dims,
      this.card.settings['positions'],
    ),
  );
  after = $derived.by(() =>
    this.plan
      ? costOf(
          this.plan.parameters.after,
          this.plan.parameters.active?.after,
          weightBytes(this.plan),
          this.plan.to,
          this.card.settings['positions'],
        )
      : undefined,
  );

  constructor(source: Growable | (() => Growable), method?: string) {
    this.#source = typeof source === 'function' ? source : () => source;
    this.choose(method && methods.has(method) ? method : this.methods[0]!.id);
  }

  /** As a request says: from a plan that was saved. */
  take({ method, to, options, seed, dtype }: GrowthRequest): void {
    this.methodId = method;
    this.#own = true;
    this.wish = { ...to };
    this.options = { ...options };
    this.seed = seed;
    this.dtype = dtype;
  }

  /**
   * Another method: sizes it cannot grow are let go, and where the person asked for none it proposes a
   * doubling.
   */
  choose(id: string): void {
    this.methodId = id;
    this.options = {};
    const kept = Object.fromEntries(Object.entries(this.wish).filter(([axis]) => this.sizes.includes(axis)));
    this.wish = this.#own && Object.keys(kept).length > 0 ? kept : this.#proposal();
  }

  /** The first doubling that the method can do here. */
  #proposal(): Record<string, number> {
    const doubled = (...axes: readonly string[]): Record<string, number> =>
      Object.fromEntries(axes.map((axis) => [axis, 2 * this.card.dims[axis]!]));
    const tries = [['hidden', 'ffn'], ['ffn'], ...this.sizes.map((axis) => [axis])]
      .filter((axes) => axes.every((axis) => this.sizes.includes(axis)))
      .map((axes) => doubled(...axes));
    const possible = (to: Record<string, number>): boolean => {
      try {
        planGrowth(this.card, { ...this.request, to });
        return true;
      } catch {
        return false;
      }
    };
    return tries.find(possible) ?? tries[0] ?? {};
  }

  /** Whether the refusal is about this axis. */
  refuses(axis: string): boolean {
    const detail = this.refusal?.detail as { axis?: string; of?: string } | undefined;
    return detail !== undefined && (detail.axis === axis || detail.of === axis);
  }

  /** Asks for a size, or with `undefined` lets it follow. */
  resize(axis: string, size: number | undefined): void {
    this.#own = true;
    this.wish = Object.fromEntries([
      ...Object.entries(this.wish).filter(([other]) => other !== axis),
      ...(size === undefined ? [] : [[axis, size] as const]),
    ]);
  }

  set(id: string, value: OptionValue): void {
    this.options[id] = value;
  }

  /** The size to show for an axis: asked, planned, or as it is. */
  sizeOf(axis: string): number {
    return this.wish[axis] ?? this.plan?.to[axis] ?? this.card.dims[axis]!;
  }
}

/**
 * Slider stops up to eight times the size: whole multiples, and eighths between where the method reaches
 * them.
 */
export function stopsOf(
  method: GrowthMethod,
  axis: string,
  from: number,
  options: Readonly<Record<string, OptionValue>>,
  family: ModelFamily,
): readonly number[] {
  if (axis === 'layers')
    return Array.from({ length: 3 * from + 1 }, (_, i) => from + i).filter(
      (to) => to === from || !('nearest' in (method.layers?.(from, to, options) ?? [])),
    );
  const step = Math.max(1, from / 8);
  const candidates = Array.from({ length: Math.round((7 * from) / step) + 1 }, (_, i) =>
    Math.round(from + i * step),
  );
  return candidates
    .filter((to, i) => to !== candidates[i - 1])
    .filter(
      (to) => to === from || !('nearest' in method.carry({ axis: axis as Axis, from, to, family }, options)),
    );
}

const weightBytes = (plan: GrowthPlan): number =>
  plan.tensors.reduce((sum, t) => sum + bytesOf(t.dtype as WeightDType, countOf(t.to)), 0);

/**
 * `training`: float32 weight, gradient and two moments. `flops`: forward and backward per token, 6N +
 * 12·L·H·T with full attention.
 */
function costOf(
  parameters: number,
  active: number | undefined,
  weights: number,
  dims: Dims,
  positions: unknown,
): Cost {
  const attention =
    (dims['heads'] ?? (dims['kv_heads'] ?? 1) * (dims['group'] ?? 1)) * (dims['head_dim'] ?? 0);
  return {
    parameters,
    active: active ?? parameters,
    weights,
    training: 16 * parameters,
    flops: 6 * (active ?? parameters) + 12 * dims['layers']! * attention * contextOf(dims, positions),
  };
}
export const contextOf = (dims: Dims, positions: unknown): number =>
  Math.min(contextTokens, dims['positions'] ?? (typeof positions === 'number' ? positions : contextTokens));

/** What a person can click when a size is refused: the sizes or methods that the refusal names. */
export function suggestionsOf(refusal: ErrorData): readonly Suggestion[] {
  const detail = (refusal.detail ?? {}) as {
    axis?: string;
    option?: string;
    of?: string;
    nearest?: readonly number[];
    methods?: readonly string[];
    from?: unknown;
    to?: unknown;
    most?: number;
  };
  const size = (axis: string, to: number): Suggestion => ({
    label: `${axis} ${to}`,
    apply: (growth) => {
      growth.resize(axis, to);
    },
  });
  const axis = detail.of ?? detail.axis;
  const { option } = detail;
  if (option !== undefined && detail.nearest)
    return detail.nearest.map((to) => ({
      label: `${option} ${to}`,
      apply: (growth) => {
        growth.set(option, to);
      },
    }));
  if (axis !== undefined && detail.nearest) {
    const others = detail.of === undefined ? reaching(axis as Axis, detail.from, detail.to) : [];
    return [
      ...detail.nearest.map((to) => size(axis, to)),
      ...others.map((method): Suggestion => ({
        label: `use ${method.title}`,
        apply: (growth) => {
          growth.choose(method.id);
        },
      })),
    ];
  }
  if (axis !== undefined && detail.methods) {
    return detail.methods.map((id) => ({
      label: methods.get(id)?.title ?? id,
      apply: (growth: GrowthState) => {
        growth.choose(id);
      },
    }));
  }
  if (axis !== undefined && detail.most !== undefined) return [size(axis, detail.most)];
  if (refusal.code === 'growth/smaller' && axis !== undefined && typeof detail.from === 'number')
    return [size(axis, detail.from)];
  return [];
}

/** The methods that reach this size of an axis. */
const reaching = (axis: Axis, from: unknown, to: unknown): readonly GrowthMethod[] =>
  typeof from === 'number' && typeof to === 'number'
    ? [...methods.values()].filter(
        (method) => method.grows.includes(axis) && !('nearest' in method.carry({ axis, from, to }, {})),
      )
    : [];
