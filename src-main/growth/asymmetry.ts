/**
 * @file How far the copies of grown weights have moved apart (methods.md 11): nothing for plain clones, for
 * ever (1.10), and soon something for those that growing was asked to part.
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
import { countOf } from '../tensor/layout.ts';
import type { GrowthPlan, TensorRecipe } from './recipe.ts';
import { resolveSides, type Side } from './apply/sides.ts';

/**
 * Entries of one side and, for each, the first copy of what it is a copy of; null where no entry is a second
 * copy.
 */
type Firsts = Int32Array | null;

/**
 * Where the copies of one weight stand, seen as a matrix of rows × columns; `seconds` of its entries are
 * second copies.
 */
export interface CopiedWeight {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly firstRow: Firsts;
  readonly firstColumn: Firsts;
  readonly seconds: number;
}

/**
 * The weights of a grown model that began as equal copies: tables, norms and biases, which no growth
 * roughens. `stages` are its plan's, oldest first.
 */
export function findCopies(stages: readonly GrowthPlan[]): readonly CopiedWeight[] {
  const final = new Map(stages.at(-1)?.tensors.map((t) => [t.name, countOf(t.to)]));
  const found = new Map<string, CopiedWeight>();
  for (const plan of stages)
    for (const recipe of plan.tensors) {
      const copies =
        recipe.kind === 'linear' || recipe.zeroOutput || recipe.perturbation !== 0
          ? undefined
          : copiesOf(recipe, plan);
      if (copies && final.get(recipe.name) === copies.rows * copies.columns) found.set(recipe.name, copies);
    }
  return [...found.values()];
}

function copiesOf(recipe: TensorRecipe, { maps, from, to }: GrowthPlan): CopiedWeight | undefined {
  const { rows, columns } = resolveSides(recipe, maps, from, to);
  const firstRow = firstsOf(rows);
  const firstColumn = firstsOf(columns);
  const alone = (side: Side, firsts: Firsts): number =>
    firsts ? firsts.reduce((n, first, i) => n + (first === i ? 1 : 0), 0) : side.to;
  return firstRow || firstColumn
    ? {
        name: recipe.name,
        rows: rows.to,
        columns: columns.to,
        firstRow,
        firstColumn,
        seconds: rows.to * columns.to - alone(rows, firstRow) * alone(columns, firstColumn),
      }
    : undefined;
}

function firstsOf({ source }: Side): Firsts {
  const first = new Map<number, number>();
  let some = false;
  const out = source.map((origin, i) => {
    if (origin < 0) return i;
    const before = first.get(origin);
    if (before === undefined) first.set(origin, i);
    else some = true;
    return before ?? i;
  });
  return some ? out : null;
}

/**
 * The largest, over `copies`, of rms(copy - first copy) / rms(weight). `copies` names at least one weight.
 */
export const buildAsymmetry = (copies: readonly CopiedWeight[], weights: ReadonlyMap<string, Value>): Value =>
  copies.map((c) => apart(c, weights.get(c.name)!)).reduce((a, b) => max(a, b));

function apart({ rows, columns, firstRow, firstColumn, seconds }: CopiedWeight, weight: Value): Value {
  const whole = reshape(weight, [rows, columns]);
  const index = (firsts: Int32Array): Value => constant(firsts, 'int32', [firsts.length]);
  const byRow = firstRow ? gather(whole, index(firstRow), 0) : whole;
  const firsts = firstColumn ? gather(byRow, index(firstColumn), 1) : byRow;
  return sqrt(
    div(mul(sumSquares(sub(whole, firsts)), (rows * columns) / seconds), max(sumSquares(whole), 1e-30)),
  );
}
