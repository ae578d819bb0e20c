/** @file The entries of a family's table of weights. Layouts are written as `layoutOf` reads them. */
import { parseLayout } from '../tensor/layout.ts';
import type { ModelFamily, SettingName, TensorKind, TensorSpec } from './family.ts';

const specOf = (kind: TensorKind, layout: string, when?: SettingName): TensorSpec => ({
  kind,
  layout: parseLayout(layout),
  offset: 0,
  ...(when === undefined ? {} : { when }),
});

export const linear = (layout: string, when?: SettingName): TensorSpec => specOf('linear', layout, when);
export const lookup = (layout: string): TensorSpec => specOf('lookup', layout);
export const gain = (layout: string, when?: SettingName): TensorSpec => specOf('gain', layout, when);
export const shift = (layout: string, when?: SettingName): TensorSpec => specOf('shift', layout, when);
export const bias = (layout: string, when?: SettingName): TensorSpec => specOf('bias', layout, when);

/** The gain of a norm on the output of the linear layer with this key, rather than on the residual stream. */
export const outputGain = (linearKey: string, layout: string): TensorSpec => ({
  ...gain(layout),
  normalizes: linearKey,
});

/** A linear layer that has no gain before it; see `TensorSpec.unscaledInput`. */
export const unscaledLinear = (input: 'stream' | 'norm', layout: string): TensorSpec => ({
  ...linear(layout),
  unscaledInput: input,
});

/** The same table for a family that stores every gain minus `offset`. */
export const withOffset = (tensors: ModelFamily['tensors'], offset: number): ModelFamily['tensors'] =>
  Object.fromEntries(
    Object.entries(tensors).map(([key, spec]) => [key, spec.kind === 'gain' ? { ...spec, offset } : spec]),
  );

/** The entries of a table except those with these names. */
export const without = <T>(
  entries: Readonly<Record<string, T>>,
  ...names: readonly string[]
): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(entries).filter(([name]) => !names.includes(name)));
