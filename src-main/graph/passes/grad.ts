/** @file Reverse mode: one walk back over the nodes, and the one place where broadcasting is undone. */
import { refuse } from '../../base/errors.ts';
import { add } from '../ops/elementwise.ts';
import { constant, nodesOf, typeText, type Node, type Value } from '../graph.ts';
import { expand, reshape, zerosLike } from '../ops/movement.ts';
import type { Remake } from './recompute.ts';
import { sum } from '../ops/reduce.ts';
import { broadcastShape, broadcastsTo, sameShape } from '../shapes.ts';

/** A value and the gradient that arrives at it from outside. */
export interface Seed {
  readonly of: Value;
  readonly g: Value;
}

/**
 * Gradients of a scalar, zeros where nothing flows. `seed` (1) is the loss's own gradient: a loss scale.
 * `remake`: nodes whose values are made again (recompute.ts).
 */
export function grad(
  loss: Value,
  wrt: readonly Value[],
  {
    seed = constant(1, loss.dtype),
    remake,
  }: { readonly seed?: Value | undefined; readonly remake?: Remake | undefined } = {},
): Value[] {
  if (loss.shape.length)
    refuse('graph/shapes', { op: 'grad', shapes: `${typeText(loss)}: a loss is a scalar` });
  return vjp([{ of: loss, g: seed }], wrt, { remake }).map((g, i) => g ?? zerosLike(wrt[i]!));
}

/**
 * Vector-Jacobian product: what the seeds send back to each of `wrt`; undefined where nothing flows. Nothing
 * is sent back through `end`. Refuses `graph/no-gradient`.
 */
export function vjp(
  seeds: readonly Seed[],
  wrt: readonly Value[],
  { remake, end }: { readonly remake?: Remake | undefined; readonly end?: Value } = {},
): (Value | undefined)[] {
  const nodes = nodesOf(seeds.map((s) => s.of));
  const live = liveFrom(nodes, wrt);
  // A gradient may still have ones where its value has more: elementwise rules broadcast it for nothing, and
  // only others ask for it whole.
  const into = new Map<Value, Value>();
  const arrive = (v: Value, g: Value): void => {
    const before = into.get(v);
    into.set(v, before ? add(before, g) : g);
  };
  for (const { of, g } of seeds) arrive(of, g);
  for (const node of nodes.toReversed()) {
    const { op, inputs, outputs, attrs } = node;
    if (!outputs.some((v) => live.has(v) && into.has(v)) || node === end?.node) continue;
    if (op.grad === null) continue;
    if (!op.grad) refuse('graph/no-gradient', { op: op.name });
    const whole = outputs.map((v) => {
      const g = into.get(v);
      return g && !op.elementwise ? expand(g, v.shape) : g;
    });
    const now =
      remake?.(
        node,
        whole.find((g) => g !== undefined)!,
        () => wrt.flatMap((v) => into.get(v) ?? []),
      ) ?? node;
    const rule = op.grad(whole[0] ?? zerosLike(outputs[0]!), {
      in: now.inputs,
      out: now.outputs[0]!,
      outs: now.outputs,
      all: whole,
      attrs,
    });
    rule.forEach((d, i) => {
      const v = inputs[i]!;
      if (d && live.has(v)) arrive(v, settled(d, v, node));
    });
  }
  return wrt.map((v) => {
    const g = into.get(v);
    return g && expand(g, v.shape);
  });
}

/** The values that some of `wrt` flows into, themselves included. */
export function liveFrom(nodes: readonly Node[], wrt: readonly Value[]): ReadonlySet<Value> {
  const live = new Set<Value>(wrt);
  for (const { inputs, outputs } of nodes)
    if (inputs.some((v) => live.has(v))) for (const v of outputs) live.add(v);
  return live;
}

/** `d` as a gradient of `v`: summed over what the node broadcast `v` along. */
function settled(d: Value, v: Value, { op, outputs: [out] }: Node): Value {
  if (d.dtype !== v.dtype)
    refuse('graph/shapes', { op: `the gradient of ${op.name}`, shapes: `${typeText(d)} for ${typeText(v)}` });
  const spread = op.elementwise && !sameShape(v.shape, out!.shape) ? expand(d, out!.shape) : d;
  return unbroadcast(spread, v);
}

/**
 * Sums `g` over the axes along which `like` was broadcast to it: the adjoint of broadcasting. Refuses what
 * `like` cannot have made.
 */
export function unbroadcast(g: Value, like: Value): Value {
  if (broadcastsTo(g.shape, like.shape)) return g;
  if (!broadcastShape(g.shape, like.shape))
    refuse('graph/shapes', { op: 'unbroadcast', shapes: `${typeText(g)} for ${typeText(like)}` });
  const lead = g.shape.length - like.shape.length;
  const axes = g.shape.flatMap((size, i) =>
    size > 1 && (i < lead || like.shape[i - lead] === 1) ? [i] : [],
  );
  const summed = axes.length ? sum(g, axes, { keep: true }) : g;
  return reshape(summed, summed.shape.slice(Math.max(lead, 0)));
}
