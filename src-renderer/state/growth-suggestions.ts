/** @file Sizes, options and methods to click when a growth is refused. */
import type { ErrorData } from '../../src-main/base/errors.ts';
import type { OptionValue } from '../../src-main/base/option.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import type { GrowthMethod } from '../../src-main/growth/method.ts';
import type { Axis } from '../../src-main/tensor/layout.ts';

/** What a suggestion changes. */
interface GrowthSettings {
  setSize(axis: string, size: number): void;
  setOption(id: string, value: OptionValue): void;
  setMethod(id: string): void;
}
export interface Suggestion {
  readonly label: string;
  readonly apply: (growth: GrowthSettings) => void;
}

/** The details that refusals of a growth have. */
interface RefusalDetail {
  readonly axis?: string;
  readonly option?: string;
  /** The axis that has to change, if it is not `axis`. */
  readonly of?: string;
  readonly nearest?: readonly number[];
  readonly methods?: readonly string[];
  readonly from?: unknown;
  readonly to?: unknown;
  readonly most?: number;
}

/** Suggestions from the sizes or methods that a refusal names; empty if it names none. */
export function suggestFixes(refusal: ErrorData): readonly Suggestion[] {
  const detail = (refusal.detail ?? {}) as RefusalDetail;
  const { option, nearest } = detail;
  const axis = detail.of ?? detail.axis;
  if (option !== undefined && nearest) return nearest.map((value) => suggestOption(option, value));
  if (axis === undefined) return [];
  if (nearest) {
    const otherMethods = detail.of === undefined ? methodsReaching(axis as Axis, detail.from, detail.to) : [];
    return [
      ...nearest.map((size) => suggestSize(axis, size)),
      ...otherMethods.map(({ id, title }) => suggestMethod(id, `use ${title}`)),
    ];
  }
  if (detail.methods) return detail.methods.map((id) => suggestMethod(id, methods.get(id)?.title ?? id));
  if (detail.most !== undefined) return [suggestSize(axis, detail.most)];
  const isTooSmall = refusal.code === 'growth/smaller' || refusal.code === 'growth/not-an-integer';
  if (isTooSmall && typeof detail.from === 'number') return [suggestSize(axis, detail.from)];
  return [];
}

const suggestSize = (axis: string, size: number): Suggestion => ({
  label: `${axis} ${size}`,
  apply: (growth) => {
    growth.setSize(axis, size);
  },
});

const suggestOption = (id: string, value: number): Suggestion => ({
  label: `${id} ${value}`,
  apply: (growth) => {
    growth.setOption(id, value);
  },
});

const suggestMethod = (id: string, label: string): Suggestion => ({
  label,
  apply: (growth) => {
    growth.setMethod(id);
  },
});

/** The methods that can grow `axis` to this size. */
const methodsReaching = (axis: Axis, from: unknown, to: unknown): readonly GrowthMethod[] =>
  typeof from === 'number' && typeof to === 'number'
    ? [...methods.values()].filter(
        (method) => method.grows.includes(axis) && !('nearest' in method.mapAxis({ axis, from, to }, {})),
      )
    : [];
