/**
 * @file The coordinate check of Yang et al. (2022, appendix D.1): under µP the scale of every activation stays flat
 * over the width after a few updates; in the standard parametrisation it grows.
 */
import {
  add,
  concat,
  div,
  graphOf,
  reshape,
  slice,
  sqrt,
  sumSquares,
  type Graph,
  type Value,
} from '../../graph/ops/build.ts';
import { tensorKey, type ModelFamily } from '../../model/family.ts';
import type { ModelBuilder } from '../../model/builder-types.ts';
import { createModelBuilder } from '../../model/model-builder.ts';
import { brokenConstraints, withDerivedDims } from '../../model/config.ts';
import { countElements, type Dims } from '../../tensor/layout.ts';
import { tokensInput, sequencesOf, type BatchShape } from '../program-shape.ts';
import { weightValues, type BucketModel } from '../step.ts';
import type { Coordinates } from './tuning.ts';

/** The name of the logits among the activations. */
export const logitsName = 'logits';

/** A graph that measures activations, and their names. */
export interface CoordinatesProgram {
  /** tokens [batch, seq + 1] → `scales` [activations]. */
  readonly graph: Graph;
  /** The key of the weight that makes each activation. */
  readonly names: readonly string[];
}

/** Measures the root mean square of the output of linear layers and embeddings, those of one kind together. */
export function coordinatesProgram(model: BucketModel, shape: BatchShape): CoordinatesProgram {
  const { family, dims, settings } = model;
  const byKey = new Map<string, Value[]>();
  const record = (name: string, value: Value): void => {
    const key = tensorKey(`${name}.weight`);
    byKey.set(key, [...(byKey.get(key) ?? []), value]);
  };
  const weights = weightValues(model);
  const context = sequencesOf(shape).forward;
  const plain = createModelBuilder(family, dims, settings, weights, undefined, context);
  const builder: ModelBuilder = {
    ...plain,
    linear(x, name) {
      const y = plain.linear(x, name);
      record(name, y.value);
      return y;
    },
    embed(name, tokens) {
      const y = plain.embed(name, tokens);
      record(name, y.value);
      return y;
    },
    splitLinear(x, name) {
      const parts = plain.splitLinear(x, name);
      for (const part of parts) record(name, part.value);
      return parts;
    },
  };
  const inputs = slice(tokensInput(shape), 1, 0, shape.contextLength);
  const x = family.forward(builder, inputs);
  byKey.set(logitsName, [plain.head(x).value]);
  const scales = [...byKey.values()].map((values) => reshape(rootMeanSquare(values), [1]));
  return { graph: graphOf({ scales: concat(scales, 0) }), names: [...byKey.keys()] };
}

function rootMeanSquare(values: readonly Value[]): Value {
  const count = values.reduce((sum, { shape }) => sum + countElements(shape), 0);
  return sqrt(
    div(
      values.map((value) => sumSquares(value)).reduce((a, b) => add(a, b)),
      count,
    ),
  );
}

/** Widths that a factor multiplies; heads keep their size. */
const scaledAxes = ['hidden', 'embed', 'ffn', 'shared_ffn', 'heads'];

/** The sizes of a model `factor` times as wide, with as many layers as given; undefined if there are none. */
export function widen(family: ModelFamily, dims: Dims, factor: number, layers: number): Dims | undefined {
  const isWhole = (axis: string): boolean => Number.isInteger(dims[axis]! * factor);
  // Where the key and value heads follow from other sizes, or cannot be divided, the query heads of a group change.
  const hasOwnKvHeads = (family.dims['kv_heads']?.keys.length ?? 0) > 0 && isWhole('kv_heads');
  const heads = hasOwnKvHeads ? ['kv_heads'] : ['group'];
  const scaled = [...scaledAxes, ...heads].filter((axis) => axis in dims);
  if (!scaled.every(isWhole)) return undefined;
  const sizes = Object.fromEntries(scaled.map((axis) => [axis, dims[axis]! * factor]));
  const wider = withDerivedDims(family, { ...dims, ...sizes, layers });
  return brokenConstraints(family, wider).length > 0 ? undefined : wider;
}

/** The slope of log scale over log width, by least squares. */
export function exponentOf(widths: readonly number[], scales: readonly number[]): number {
  const x = widths.map(Math.log);
  const y = scales.map((scale) => Math.log(Math.max(scale, 1e-30)));
  const mean = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const covariance = x.reduce((sum, one, i) => sum + (one - meanX) * (y[i]! - meanY), 0);
  return covariance / x.reduce((sum, one) => sum + (one - meanX) ** 2, 0);
}

/** Activations from their scales at each width: `scales[width][activation]`. */
export const coordinatesOf = (
  names: readonly string[],
  widths: readonly number[],
  scales: readonly (readonly number[])[],
): readonly Coordinates[] =>
  names.map((name, i) => {
    const own = scales.map((at) => at[i]!);
    return { name, scales: own, exponent: exponentOf(widths, own) };
  });

/** The fastest growth of an activation with the width. Under µP nothing grows, though logits may shrink at first. */
export const largestExponent = (coordinates: readonly Coordinates[]): number =>
  Math.max(...coordinates.map(({ exponent }) => exponent));

/** Above this exponent the scale of an activation counts as growing with the width. */
export const flatExponent = 0.25;
