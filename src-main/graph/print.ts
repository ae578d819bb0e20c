/** @file Prints a graph as text, one node per line. */
import { countOf, formatAttrs, formatType, nodesOf, type Graph, type Value } from './graph.ts';

/**
 * The graph as lines `input name: type`, `%n = Op(operands) {attributes}: type` and `output name = %n`. Equal
 * graphs print equally.
 */
export function printGraph({ inputs, outputs }: Graph): string {
  const numbers = new Map<Value, string>();
  const formatOperand = (v: Value): string => {
    if (v.name !== undefined) return v.name;
    if (v.constant) return countOf(v.shape) <= 8 ? formatConstant(v) : formatType(v);
    return numbers.get(v)!;
  };
  const lines = inputs.map((v) => `input ${v.name!}: ${formatType(v)}`);
  for (const node of nodesOf(Object.values(outputs))) {
    for (const v of node.outputs) numbers.set(v, `%${numbers.size}`);
    const results = node.outputs.map(formatOperand).join(', ');
    const operands = node.inputs.map(formatOperand).join(', ');
    const types = node.outputs.map(formatType).join(', ');
    lines.push(`${results} = ${node.op.name}(${operands})${formatAttrs(node.attrs)}: ${types}`);
  }
  for (const [name, v] of Object.entries(outputs)) lines.push(`output ${name} = ${formatOperand(v)}`);
  return lines.join('\n');
}

function formatConstant(v: Value): string {
  const elements = Array.from(v.constant!.values(), (x) => String(Number(x.toPrecision(6))));
  return v.shape.length > 0 ? `[${elements.join(', ')}]` : elements.join('');
}
