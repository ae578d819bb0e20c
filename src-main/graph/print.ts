/** @file A graph as text, one node a line, for snapshots and for people. */
import { attrText, countOf, nodesOf, typeText, type Graph, type Value } from './graph.ts';

/**
 * Lines `input name: type`, `%n = Op(operands) {attributes}: type`, `output name = %n`. Equal graphs print
 * equally.
 */
export function print({ inputs, outputs }: Graph): string {
  const numbers = new Map<Value, string>();
  const operand = (v: Value): string => {
    if (v.name !== undefined) return v.name;
    if (v.constant) return countOf(v.shape) <= 8 ? constantText(v) : typeText(v);
    return numbers.get(v)!;
  };
  const lines = inputs.map((v) => `input ${v.name!}: ${typeText(v)}`);
  for (const node of nodesOf(Object.values(outputs))) {
    for (const v of node.outputs) numbers.set(v, `%${numbers.size}`);
    lines.push(
      `${node.outputs.map(operand).join(', ')} = ${node.op.name}(${node.inputs.map(operand).join(', ')})${attrText(node.attrs)}: ${node.outputs.map(typeText).join(', ')}`,
    );
  }
  return [...lines, ...Object.entries(outputs).map(([name, v]) => `output ${name} = ${operand(v)}`)].join(
    '\n',
  );
}

const constantText = (v: Value): string => {
  const elements = Array.from(v.constant!.values(), (x) => String(Number(x.toPrecision(6))));
  return v.shape.length ? `[${elements.join(', ')}]` : elements.join('');
};
