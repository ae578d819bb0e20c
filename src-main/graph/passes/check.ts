/** @file Checks that a graph is well formed, trainable or exportable. Errors name the pass and the node. */
import { refuse } from '../../base/errors.ts';
import {
  formatAttrs,
  formatType,
  nodesOf,
  type Graph,
  type Node,
  type TensorType,
  type Value,
} from '../graph.ts';
import { kernelOf } from '../onnx.ts';
import { providers, type Provider } from '../providers.ts';
import { sameShape } from '../shapes.ts';
import { isFloat } from '../types.ts';
import { reachableFrom } from './grad.ts';

const formatNode = ({ op, inputs, attrs }: Node): string =>
  `${op.name}(${inputs.map(formatType).join(', ')})${formatAttrs(attrs)}`;

const formatTypes = (types: readonly TensorType[]): string => types.map(formatType).join(', ');

const invalid = (pass: string, node: string, why: string): never =>
  refuse('graph/invalid', { pass, node, why });

/**
 * Throws `graph/invalid` unless inputs and outputs have unique names, all inputs are listed, the inputs of
 * each node come before it, and its outputs have the types that its operator infers.
 */
export function checkWellFormed({ inputs, outputs }: Graph, pass: string): void {
  const defined = new Set<Value>(inputs);
  const names = new Set<string>();
  for (const v of inputs) {
    if (v.name === undefined || v.node || names.has(v.name)) {
      invalid(pass, v.name ?? formatType(v), 'an input needs a unique name');
    }
    names.add(v.name!);
  }
  const checkDefined = (v: Value, user: string): void => {
    if (defined.has(v) || v.constant) return;
    const why = v.node
      ? `${formatType(v)} is used before it is computed`
      : `the input ${v.name ?? formatType(v)} is not listed`;
    invalid(pass, user, why);
  };
  for (const node of nodesOf(Object.values(outputs))) {
    for (const v of node.inputs) checkDefined(v, formatNode(node));
    checkTypes(node, pass);
    for (const v of node.outputs) defined.add(v);
  }
  for (const [name, v] of Object.entries(outputs)) {
    checkDefined(v, name);
    if (names.has(name)) invalid(pass, name, 'an input has the same name');
  }
}

/** Throws `graph/invalid` unless the outputs of a node have the types that its operator infers. */
function checkTypes(node: Node, pass: string): void {
  const { op, inputs, outputs, attrs } = node;
  const types = op.infer(inputs, attrs);
  if (typeof types === 'string') return invalid(pass, formatNode(node), types);
  const isSame = (type: TensorType, i: number): boolean =>
    type.dtype === outputs[i]!.dtype && sameShape(type.shape, outputs[i]!.shape);
  if (types.length === outputs.length && types.every(isSame)) return;
  const why = `its outputs are ${formatTypes(outputs)} but should be ${formatTypes(types)}`;
  invalid(pass, formatNode(node), why);
}

/**
 * Throws `graph/invalid` unless the loss depends on each of `wrt` and every node in between has a gradient
 * rule.
 */
export function checkTrainable(loss: Value, wrt: readonly Value[], pass: string): void {
  const nodes = nodesOf([loss]);
  const reachable = reachableFrom(nodes, wrt);
  const hasGradient = new Set([loss]);
  for (const node of nodes.toReversed()) {
    const needsGradient = node.outputs.some((v) => hasGradient.has(v) && reachable.has(v));
    if (!needsGradient || node.op.backward === null) continue;
    if (!node.op.backward) invalid(pass, formatNode(node), 'it has no gradient rule');
    for (const v of node.inputs) if (reachable.has(v)) hasGradient.add(v);
  }
  for (const v of wrt) {
    if (!hasGradient.has(v)) invalid(pass, v.name ?? formatType(v), 'the loss does not depend on it');
  }
}

/**
 * Throws `graph/invalid` unless the provider has a kernel for every node, or a lowering of it, and computes in
 * its element types.
 */
export function checkExportable({ outputs }: Graph, provider: Provider, pass: string): void {
  const { missingKernels, computeTypes } = providers[provider];
  for (const node of nodesOf(Object.values(outputs))) {
    const { op } = node;
    const kernel = kernelOf(op, node);
    if ((kernel === undefined || missingKernels.has(kernel)) && !op.lower) {
      invalid(pass, formatNode(node), `${provider} has no such operator`);
    }
    // Casts and views only store their elements.
    if (op.name === 'Cast' || op.view) continue;
    const values = [...node.inputs, ...node.outputs];
    const unsupported = values.find((v) => isFloat(v) && !computeTypes.has(v.dtype));
    if (unsupported) invalid(pass, formatNode(node), `${provider} does not compute in ${unsupported.dtype}`);
  }
}
