/**
 * @file What must hold between passes: well formed, trainable, exportable. A failure names the pass, the node
 * and its types.
 */
import { refuse } from '../../base/errors.ts';
import { liveFrom } from './grad.ts';
import { attrText, nodesOf, typeText, type Graph, type Node, type Value } from '../graph.ts';
import { lacks, computes, type Provider } from '../providers.ts';
import { isFloat, sameShape } from '../shapes.ts';

const nodeText = ({ op, inputs, attrs }: Node): string =>
  `${op.name}(${inputs.map(typeText).join(', ')})${attrText(attrs)}`;
const invalid = (pass: string, node: string, why: string): never =>
  refuse('graph/invalid', { pass, node, why });

/**
 * Inputs and outputs are named once, inputs are listed, every node's inputs come before it, and its outputs
 * are what its row infers.
 */
export function wellFormed({ inputs, outputs }: Graph, pass: string): void {
  const before = new Set<Value>(inputs);
  const names = new Set<string>();
  for (const v of inputs) {
    if (v.name === undefined || v.node || names.has(v.name))
      invalid(pass, v.name ?? typeText(v), 'an input needs a name of its own');
    names.add(v.name!);
  }
  const check = (v: Value, node: string): void => {
    if (!before.has(v) && !v.constant)
      invalid(
        pass,
        node,
        v.node
          ? `${typeText(v)} is used before it is made`
          : `the input ${v.name ?? typeText(v)} is not listed`,
      );
  };
  for (const node of nodesOf(Object.values(outputs))) {
    for (const v of node.inputs) check(v, nodeText(node));
    const types = node.op.infer(node.inputs, node.attrs);
    if (typeof types === 'string') return invalid(pass, nodeText(node), types);
    const right =
      types.length === node.outputs.length &&
      types.every((t, i) => t.dtype === node.outputs[i]!.dtype && sameShape(t.shape, node.outputs[i]!.shape));
    if (!right)
      invalid(
        pass,
        nodeText(node),
        `its outputs are ${node.outputs.map(typeText).join(', ')} but should be ${types.map(typeText).join(', ')}`,
      );
    for (const v of node.outputs) before.add(v);
  }
  for (const [name, v] of Object.entries(outputs)) {
    check(v, name);
    if (names.has(name)) invalid(pass, name, 'an input has that name already');
  }
}

/** Every one of `wrt` reaches the loss, and every node between has a gradient rule. */
export function trainable(loss: Value, wrt: readonly Value[], pass: string): void {
  const nodes = nodesOf([loss]);
  const live = liveFrom(nodes, wrt);
  const reached = new Set([loss]);
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((v) => reached.has(v) && live.has(v)) || node.op.grad === null) continue;
    if (!node.op.grad) invalid(pass, nodeText(node), 'it has no gradient rule');
    for (const v of node.inputs) if (live.has(v)) reached.add(v);
  }
  for (const v of wrt)
    if (!reached.has(v)) invalid(pass, v.name ?? typeText(v), 'the loss does not depend on it');
}

/** Every node has a form on the provider, in an element type that it computes in. */
export function exportable({ outputs }: Graph, provider: Provider, pass: string): void {
  for (const node of nodesOf(Object.values(outputs))) {
    const { op } = node;
    const form = op.onnx === null ? undefined : (op.onnx?.(node)?.op ?? op.name);
    if ((form === undefined || lacks[provider].has(form)) && !op.lower)
      invalid(pass, nodeText(node), `${provider} has no such operator`);
    const stored = op.name === 'Cast' || op.view;
    const wrong = stored
      ? undefined
      : [...node.inputs, ...node.outputs].find((v) => isFloat(v) && !computes[provider].has(v.dtype));
    if (wrong) invalid(pass, nodeText(node), `${provider} does not compute in ${wrong.dtype}`);
  }
}
