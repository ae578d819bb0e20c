/** @file The lint rule that keeps lines short: at most `max` columns outside of tables that Prettier leaves alone. */
import type { Rule } from 'eslint';

/** First and last line of each region that a `prettier-ignore` comment keeps as it is. */
function ignoredRegions(context: Rule.RuleContext): readonly (readonly [number, number])[] {
  const { sourceCode } = context;
  return sourceCode
    .getAllComments()
    .filter((comment) => comment.value.trim() === 'prettier-ignore')
    .flatMap((comment) => {
      const next = sourceCode.getTokenAfter(comment);
      const index = next ? sourceCode.getIndexFromLoc(next.loc.start) : undefined;
      if (index === undefined || !next) return [];
      let node = sourceCode.getNodeByRangeIndex(index) as Rule.Node | null;
      while (
        node?.parent?.range &&
        node.parent.range[0] === node.range![0] &&
        node.parent.type !== 'Program'
      ) {
        node = node.parent;
      }
      return node?.loc ? [[comment.loc!.start.line, node.loc.end.line] as const] : [];
    });
}

export const lineLength: Rule.RuleModule = {
  meta: { type: 'layout', schema: [{ type: 'integer', minimum: 1 }] },
  create(context) {
    const max = Number(context.options[0] ?? 120);
    return {
      'Program:exit'() {
        const regions = ignoredRegions(context);
        for (const [index, line] of context.sourceCode.lines.entries()) {
          const number = index + 1;
          if (line.length <= max || regions.some(([from, to]) => number >= from && number <= to)) continue;
          context.report({
            loc: { start: { line: number, column: max }, end: { line: number, column: line.length } },
            message: `This line has ${line.length} columns; the limit is ${max}.`,
          });
        }
      },
    };
  },
};
