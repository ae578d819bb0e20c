/** @file The growths of a run that is about to start: when each happens, by which method, and to which sizes. */
import { toErrorData, type ErrorData } from '../../src-main/base/errors.ts';
import { planRunStages, resolveStages, type PlannedStage } from '../../src-main/contract/stages.ts';
import type { GrowthMethod } from '../../src-main/growth/method.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import type { GrowthSource } from '../../src-main/growth/recipe.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import type { RunStage, StageEnd } from '../../src-main/train/stages.ts';

/** The sizes that the form multiplies. */
export const multipliedSizes = ['hidden', 'ffn', 'heads', 'layers'] as const;
export type MultipliedSize = (typeof multipliedSizes)[number];

export const growthTimes = {
  tokens: { label: 'After tokens', unit: 'tokens of the run', step: 'any' },
  plateau: { label: 'At a plateau', unit: 'nats per million tokens', step: 'any' },
  loss: { label: 'At a held-out loss', unit: 'nats per token', step: 'any' },
  byHand: { label: 'When I ask for it', unit: '', step: 'any' },
} as const satisfies Readonly<Record<keyof StageEnd, object>>;
export type GrowthTime = keyof typeof growthTimes;

export interface GrowthDraft {
  readonly time: GrowthTime;
  /** The tokens, the slope or the loss at which the model grows. */
  readonly value: number;
  readonly method: string;
  readonly times: Readonly<Partial<Record<MultipliedSize, number>>>;
  readonly rewarmSteps: number;
}

/** The sizes that a method multiplies. */
export const sizesOf = ({ grows }: GrowthMethod): readonly MultipliedSize[] =>
  multipliedSizes.filter((size) => (grows as readonly string[]).includes(size));

/** The methods that multiply sizes. */
export const stageMethods: readonly GrowthMethod[] = [...methods.values()].filter(
  (method) => sizesOf(method).length > 0 && !method.sizesFromOptions,
);

const defaultValues: Readonly<Record<GrowthTime, (tokens: number) => number>> = {
  tokens: (tokens) => tokens,
  plateau: () => 0.002,
  loss: () => 3,
  byHand: () => 0,
};

export interface ResolvedStages {
  readonly stages: readonly RunStage[];
  readonly planned: readonly PlannedStage[];
}

export class StagesState {
  drafts = $state<readonly GrowthDraft[]>([]);

  /** Adds a growth between the last one and the end of the run. */
  add({ tokens }: Pick<TrainingSettings, 'tokens'>): void {
    const last = this.drafts.findLast((draft) => draft.time === 'tokens')?.value ?? 0;
    const method = stageMethods[0]!;
    const draft: GrowthDraft = {
      time: 'tokens',
      value: Math.round((last + tokens) / 2),
      method: method.id,
      times: Object.fromEntries(sizesOf(method).map((size) => [size, 2])),
      rewarmSteps: 0,
    };
    this.drafts = [...this.drafts, draft];
  }

  remove(index: number): void {
    this.drafts = this.drafts.filter((_, i) => i !== index);
  }

  change(index: number, change: Partial<GrowthDraft>): void {
    this.drafts = this.drafts.map((draft, i) => (i === index ? { ...draft, ...change } : draft));
  }

  setTime(index: number, time: GrowthTime, { tokens }: Pick<TrainingSettings, 'tokens'>): void {
    this.change(index, { time, value: defaultValues[time](Math.round(tokens / 2)) });
  }

  setMethod(index: number, id: string): void {
    const method = stageMethods.find((each) => each.id === id)!;
    this.change(index, { method: id, times: Object.fromEntries(sizesOf(method).map((size) => [size, 2])) });
  }

  /** The stages with their models, or why they are not possible; undefined without a growth. */
  resolve(source: GrowthSource, settings: TrainingSettings): ResolvedStages | ErrorData | undefined {
    if (this.drafts.length === 0) return undefined;
    try {
      const stages = resolveStages(source, this.#given());
      return { stages, planned: planRunStages(source, { settings, stages }) };
    } catch (thrown) {
      return toErrorData(thrown);
    }
  }

  #given(): Parameters<typeof resolveStages>[1] {
    const ends = this.drafts.map(({ time, value }): StageEnd =>
      time === 'byHand' ? { byHand: true } : { [time]: value },
    );
    const later = this.drafts.map(({ method, times, rewarmSteps }, i) => {
      const grown = Object.fromEntries(Object.entries(times).filter(([, factor]) => factor !== 1));
      const until = ends[i + 1];
      return {
        grow: [{ method, times: grown }],
        ...(rewarmSteps > 0 ? { rewarmSteps } : {}),
        ...(until ? { until } : {}),
      };
    });
    return [{ until: ends[0]! }, ...later];
  }
}

export const isResolved = (found: ResolvedStages | ErrorData | undefined): found is ResolvedStages =>
  found !== undefined && 'stages' in found;
