/**
 * @file The nodes of a graph that Cambium's own kernels compute. Nodes that are alike (the same operator, types,
 * shapes and attributes) share an operator of their own in the ONNX model, so that its kernel needs no shape
 * inference, no attributes and no checks when it runs.
 */
import { formatAttrs, formatType, type Node } from './graph.ts';

export interface KernelNodes {
  /** The operator's name in the model of each node. */
  readonly names: ReadonlyMap<Node, string>;
  /** One node for each of these names. */
  readonly examples: ReadonlyMap<string, Node>;
}

/** The kernel nodes among `nodes`. Equal graphs give equal names. */
export function kernelNodesOf(nodes: readonly Node[]): KernelNodes {
  const nameOfKind = new Map<string, string>();
  const names = new Map<Node, string>();
  const examples = new Map<string, Node>();
  for (const node of nodes) {
    const { op, inputs, outputs, attrs } = node;
    if (!op.kernel) continue;
    const kind = `${op.name}${formatAttrs(attrs)} ${[...inputs, ...outputs].map(formatType).join(' ')}`;
    const name = nameOfKind.get(kind) ?? `${op.name}_${nameOfKind.size}`;
    nameOfKind.set(kind, name);
    names.set(node, name);
    if (!examples.has(name)) examples.set(name, node);
  }
  return { names, examples };
}
