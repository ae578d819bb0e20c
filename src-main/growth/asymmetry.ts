/**
 * @file Measures how far the copies of grown weights have diverged (docs/methods.md, Symmetry breaking).
 * Without symmetry breaking they stay identical.
 */
import {
  constant,
  div,
  gather,
  max,
  mul,
  reshape,
  sqrt,
  sub,
  sumSquares,
  type Value,
} from '../graph/ops/build.ts';
import { countElements } from '../tensor/layout.ts';
import type { Side } from './apply/side.ts';
import { resolveSides } from './apply/sides.ts';
import type { GrowthPlan, TensorRecipe } from './recipe.ts';

/** For each entry of a side, the first copy of its source entry; null if there are no further copies. */
type FirstCopies = Int32Array | null;

/** The copies in one weight, as a matrix of rows × columns. */
export interface CopiedWeight {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly firstRow: FirstCopies;
  readonly firstColumn: FirstCopies;
  /** Number of entries that are further copies. */
  readonly furtherCopies: number;
}

/**
 * The weights of a grown model that start as equal copies: embeddings, norms and biases, which get no noise.
 * `stages` are in order, oldest first.
 */
export function findCopies(stages: readonly GrowthPlan[]): readonly CopiedWeight[] {
  const finalSizes = new Map(stages.at(-1)?.tensors.map((t) => [t.name, countElements(t.to)]));
  const found = new Map<string, CopiedWeight>();
  for (const plan of stages)
    for (const recipe of plan.tensors) {
      const startsEqual = recipe.kind !== 'linear' && !recipe.zeroOutput && recipe.perturbation === 0;
      const copied = startsEqual ? findCopiesIn(recipe, plan) : undefined;
      if (copied && finalSizes.get(recipe.name) === copied.rows * copied.columns)
        found.set(recipe.name, copied);
    }
  return [...found.values()];
}

/** All copies in the weights that the last of `stages` makes, by name. */
export const findAllCopies = (stages: readonly GrowthPlan[]): ReadonlyMap<string, CopiedWeight> => {
  const last = stages.at(-1);
  const found = last?.tensors.flatMap((recipe) => findCopiesIn(recipe, last) ?? []);
  return new Map(found?.map((copied) => [copied.name, copied]));
};

/** The copies in one weight; undefined if there are none. */
function findCopiesIn(recipe: TensorRecipe, { maps, from, to }: GrowthPlan): CopiedWeight | undefined {
  const { rows, columns } = resolveSides(recipe, maps, from, to);
  const firstRow = findFirstCopies(rows);
  const firstColumn = findFirstCopies(columns);
  if (!firstRow && !firstColumn) return undefined;
  const firsts = countFirstCopies(rows, firstRow) * countFirstCopies(columns, firstColumn);
  return {
    name: recipe.name,
    rows: rows.to,
    columns: columns.to,
    firstRow,
    firstColumn,
    furtherCopies: rows.to * columns.to - firsts,
  };
}

function findFirstCopies({ source }: Side): FirstCopies {
  const first = new Map<number, number>();
  let hasFurther = false;
  const firsts = source.map((origin, i) => {
    if (origin < 0) return i;
    const known = first.get(origin);
    if (known !== undefined) {
      hasFurther = true;
      return known;
    }
    first.set(origin, i);
    return i;
  });
  return hasFurther ? firsts : null;
}

const countFirstCopies = (side: Side, firsts: FirstCopies): number =>
  firsts ? firsts.reduce((count, first, i) => (first === i ? count + 1 : count), 0) : side.to;

/**
 * The largest rms(copy - first copy) / rms(weight) over all `copied` weights, of which there is at least one.
 */
export const buildAsymmetry = (copied: readonly CopiedWeight[], weights: ReadonlyMap<string, Value>): Value =>
  copied.map((one) => buildRelativeDifference(one, weights.get(one.name)!)).reduce((a, b) => max(a, b));

function buildRelativeDifference(copied: CopiedWeight, weight: Value): Value {
  const { rows, columns, firstRow, firstColumn, furtherCopies } = copied;
  const matrix = reshape(weight, [rows, columns]);
  const toIndex = (firsts: Int32Array): Value => constant(firsts, 'int32', [firsts.length]);
  const byRow = firstRow ? gather(matrix, toIndex(firstRow), 0) : matrix;
  const firsts = firstColumn ? gather(byRow, toIndex(firstColumn), 1) : byRow;
  const squares = mul(sumSquares(sub(matrix, firsts)), (rows * columns) / furtherCopies);
  return sqrt(div(squares, max(sumSquares(matrix), 1e-30)));
}
