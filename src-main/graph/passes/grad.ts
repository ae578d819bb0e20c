/** @file Gradients by one backward pass over the nodes. Broadcasting is reversed here, not in the operators. */
import { refuse } from '../../base/errors.ts';
import { constant, formatType, nodesOf, type Node, type Value } from '../graph.ts';
import { add } from '../ops/elementwise.ts';
import { expand, reshape, zerosLike } from '../ops/movement.ts';
import { sum } from '../ops/reduce.ts';
import { broadcastShape, broadcastsTo, sameShape } from '../shapes.ts';
import type { RecomputeNode } from './activation-checkpointing.ts';

/** A value and its gradient, which the backward pass starts from. */
export interface Seed {
  readonly value: Value;
  readonly gradient: Value;
}

export interface GradOptions {
  /** The gradient of the loss itself, for example a loss scale. Default: 1. */
  readonly seed?: Value | undefined;
  /** Recomputes activations for activation checkpointing. Default: all activations are kept. */
  readonly recompute?: RecomputeNode | undefined;
}

export interface VjpOptions {
  readonly recompute?: RecomputeNode | undefined;
  /** No gradient flows through the node that computes this value. */
  readonly stopAt?: Value;
}

/** Gradients of a scalar loss, zeros for values that it does not depend on. */
export function grad(loss: Value, wrt: readonly Value[], options: GradOptions = {}): Value[] {
  if (loss.shape.length > 0) {
    refuse('graph/shapes', { op: 'grad', shapes: `${formatType(loss)}: a loss is a scalar` });
  }
  const { seed = constant(1, loss.dtype), recompute } = options;
  const gradients = vjp([{ value: loss, gradient: seed }], wrt, { recompute });
  return gradients.map((g, i) => g ?? zerosLike(wrt[i]!));
}

/**
 * Vector-Jacobian product: the gradient that the seeds give each of `wrt`; undefined if there is none. Throws
 * `graph/no-gradient` if an operator in between has no gradient rule.
 */
export function vjp(
  seeds: readonly Seed[],
  wrt: readonly Value[],
  { recompute, stopAt }: VjpOptions = {},
): (Value | undefined)[] {
  const nodes = nodesOf(seeds.map((s) => s.value));
  const reachable = reachableFrom(nodes, wrt);
  const gradients = new Gradients();
  for (const { value, gradient } of seeds) gradients.add(value, gradient);
  const gradientsSoFar = (): readonly Value[] => wrt.flatMap((v) => gradients.get(v) ?? []);

  for (const node of nodes.toReversed()) {
    const { op, inputs, outputs, attrs } = node;
    const needsGradient = outputs.some((v) => reachable.has(v) && gradients.has(v));
    if (!needsGradient || node === stopAt?.node || op.backward === null) continue;
    if (!op.backward) refuse('graph/no-gradient', { op: op.name });
    const gradOutputs = outputs.map((v) => gradients.of(v, op.elementwise === true));
    const firstGradient = gradOutputs.find((g) => g !== undefined)!;
    const activations = recompute?.(node, firstGradient, gradientsSoFar) ?? node;
    const gradInputs = op.backward(gradOutputs[0] ?? zerosLike(outputs[0]!), {
      inputs: activations.inputs,
      output: activations.outputs[0]!,
      outputs: activations.outputs,
      gradOutputs,
      attrs,
    });
    gradInputs.forEach((g, i) => {
      const v = inputs[i]!;
      if (g && reachable.has(v)) gradients.add(v, reverseBroadcast(g, v, node));
    });
  }
  return wrt.map((v) => gradients.of(v, false));
}

/**
 * The gradients found so far. A gradient may have size 1 where its value has more: elementwise rules broadcast
 * it for free, and only other operators need the full shape.
 */
class Gradients {
  private readonly gradients = new Map<Value, Value>();

  has(v: Value): boolean {
    return this.gradients.has(v);
  }

  get(v: Value): Value | undefined {
    return this.gradients.get(v);
  }

  /** The gradient of `v` in its full shape, unless it may stay unexpanded. */
  of(v: Value, mayStayUnexpanded: boolean): Value | undefined {
    const g = this.gradients.get(v);
    return g && !mayStayUnexpanded ? expand(g, v.shape) : g;
  }

  /** Adds another contribution to the gradient of `v`. */
  add(v: Value, g: Value): void {
    const previous = this.gradients.get(v);
    this.gradients.set(v, previous ? add(previous, g) : g);
  }
}

/** The values that depend on any of `wrt`, including `wrt`. */
export function reachableFrom(nodes: readonly Node[], wrt: readonly Value[]): ReadonlySet<Value> {
  const reachable = new Set<Value>(wrt);
  for (const { inputs, outputs } of nodes) {
    if (!inputs.some((v) => reachable.has(v))) continue;
    for (const v of outputs) reachable.add(v);
  }
  return reachable;
}

/** `g`, returned by the gradient rule of `node`, summed over the axes along which the node broadcast `v`. */
function reverseBroadcast(g: Value, v: Value, { op, outputs: [output] }: Node): Value {
  if (g.dtype !== v.dtype) {
    refuse('graph/shapes', {
      op: `the gradient of ${op.name}`,
      shapes: `${formatType(g)} for ${formatType(v)}`,
    });
  }
  const isBroadcast = op.elementwise && !sameShape(v.shape, output!.shape);
  return unbroadcast(isBroadcast ? expand(g, output!.shape) : g, v);
}

/**
 * Sums `g` over the axes along which `like` was broadcast to it: the adjoint of broadcasting. Throws
 * `graph/shapes` if `like` does not broadcast to the shape of `g`.
 */
export function unbroadcast(g: Value, like: Value): Value {
  if (broadcastsTo(g.shape, like.shape)) return g;
  if (!broadcastShape(g.shape, like.shape)) {
    refuse('graph/shapes', { op: 'unbroadcast', shapes: `${formatType(g)} for ${formatType(like)}` });
  }
  const lead = g.shape.length - like.shape.length;
  const isBroadcast = (size: number, i: number): boolean =>
    size > 1 && (i < lead || like.shape[i - lead] === 1);
  const axes = g.shape.flatMap((size, i) => (isBroadcast(size, i) ? [i] : []));
  const summed = axes.length > 0 ? sum(g, axes, { keepdim: true }) : g;
  return reshape(summed, summed.shape.slice(Math.max(lead, 0)));
}
