/** @file How the sliding windows of a model are expressed in a GGUF file. */
import { formatInteger } from '../../base/format.ts';
import { windowOf } from '../attention.ts';
import type { GgufArchitecture, GgufModel } from './architecture.ts';

export interface GgufWindow {
  /** The longest text that llama.cpp reads as the model does. */
  readonly contextLength: number;
  /** The window, and the period of which the last layer attends to everything. Absent: there is no window. */
  readonly sliding?: { readonly window: number; readonly period: number };
  /** What differs from the model, as a sentence without a full stop. */
  readonly note?: string;
}

/** `max_position_embeddings`, or the rows of the position table. */
const positionsOf = ({ dims, settings }: GgufModel): number =>
  dims['positions'] ?? Number(settings['positions']);

/** Whether the last layer of each period is the one that is `false`. */
const hasPeriod = (slides: readonly boolean[], period: number): boolean =>
  slides.every((slide, layer) => slide === layer % period < period - 1);

/** The period of a pattern: the one that the architecture has, or the smallest; undefined if there is none. */
function periodOf(slides: readonly boolean[], { window, needsPeriod }: GgufArchitecture): number | undefined {
  if (window !== 'period') return undefined;
  const smallest = Array.from({ length: slides.length }, (_, i) => i + 2);
  const periods = needsPeriod === undefined ? smallest : [needsPeriod];
  return periods.find((period) => hasPeriod(slides, period));
}

/**
 * The window of a model. Where llama.cpp cannot express it, the context length is that of the window: shorter
 * texts do not reach its edge. Undefined if that is no way out, because sliding layers rotate otherwise.
 */
export function ggufWindowOf(model: GgufModel, architecture: GgufArchitecture): GgufWindow | undefined {
  const { dims, settings } = model;
  const contextLength = positionsOf(model);
  const windows = Array.from({ length: dims['layers']! }, (_, layer) => windowOf(settings, layer));
  const window = windows.find((size) => size !== undefined);
  if (window === undefined) return architecture.needsPeriod === undefined ? { contextLength } : undefined;
  if (architecture.needsNoWindow === true) return undefined;
  const slides = windows.map((size) => size !== undefined);
  const period = periodOf(slides, architecture);
  if (period !== undefined) return { contextLength, sliding: { window, period } };
  if (settings['ropeLocalTheta'] !== undefined || architecture.needsPeriod !== undefined) return undefined;
  if (window >= contextLength) return { contextLength };
  return {
    contextLength: window,
    note:
      `the context length is ${formatInteger(window)} tokens, that of the sliding window, ` +
      'which llama.cpp cannot express for this model',
  };
}
