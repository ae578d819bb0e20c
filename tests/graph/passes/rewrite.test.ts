/** @file Rebuilding graphs with replaced nodes. */
import { describe, expect, it } from 'vitest';
import { nodesOf, type Graph } from '../../../src-main/graph/graph.ts';
import { add, exp, graphOf, input, log, mul } from '../../../src-main/graph/ops/build.ts';
import { rewrite } from '../../../src-main/graph/passes/rewrite.ts';

const x = input('x', 'float32', [3]);
const opNames = (graph: Graph): string[] => nodesOf(Object.values(graph.outputs)).map((n) => n.op.name);

describe('rewrite', () => {
  it('creates every node again in the same order', () => {
    const graph = graphOf({ y: add(exp(x), log(x)) });
    const copy = rewrite(graph, () => undefined);
    expect(opNames(copy)).toEqual(['Exp', 'Log', 'Add']);
    expect(copy.outputs.y).not.toBe(graph.outputs.y);
    expect(copy.inputs).toEqual([x]);
  });

  it('replaces the outputs of a node and drops what is unused after that', () => {
    const graph = graphOf({ y: exp(mul(log(x), 2)) });
    const replaced = rewrite(graph, ({ op }, inputs) =>
      op.name === 'Exp' ? [add(inputs[0]!.node!.inputs[0]!, 1)] : undefined,
    );
    expect(opNames(replaced)).toEqual(['Log', 'Add']);
  });
});
