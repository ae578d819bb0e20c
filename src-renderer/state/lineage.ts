/** @file The part of a lineage that is about one folder. */
import type { Lineage } from '../../src-main/contract/lineage.ts';

/** A folder with all that it comes from and all that came from it. */
export function relativesOf({ nodes, edges }: Lineage, dir: string): Lineage {
  const ancestors = reach(dir, (from) => edges.flatMap((edge) => (edge.to === from ? [edge.from] : [])));
  const descendants = reach(dir, (from) => edges.flatMap((edge) => (edge.from === from ? [edge.to] : [])));
  const kept = new Set([...ancestors, ...descendants]);
  return {
    nodes: nodes.filter((node) => kept.has(node.dir)),
    edges: edges.filter(({ from, to }) => {
      return (ancestors.has(from) && ancestors.has(to)) || (descendants.has(from) && descendants.has(to));
    }),
  };
}

/** `start` and everything that is reached from it. */
function reach(start: string, next: (from: string) => readonly string[]): ReadonlySet<string> {
  const found = new Set([start]);
  // A set also iterates over what is added meanwhile.
  for (const from of found) for (const to of next(from)) found.add(to);
  return found;
}
