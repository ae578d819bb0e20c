/** @file The lint rule that limits the length of lines. Tables behind a prettier-ignore comment are exempt. */
import type { Rule } from 'eslint';

type LineRange = readonly [first: number, last: number];

/** The lines of each statement that a `prettier-ignore` comment exempts, with the comment. */
function findIgnoredLines({ sourceCode }: Rule.RuleContext): readonly LineRange[] {
  return sourceCode
    .getAllComments()
    .filter((comment) => comment.value.trim() === 'prettier-ignore')
    .flatMap((comment): LineRange[] => {
      const token = sourceCode.getTokenAfter(comment);
      if (!token) return [];
      const node = findOutermostAt(sourceCode.getNodeByRangeIndex(token.range[0]) as Rule.Node | null);
      return node?.loc ? [[comment.loc!.start.line, node.loc.end.line]] : [];
    });
}

/** The outermost ancestor of `node` that starts at the same character. */
function findOutermostAt(node: Rule.Node | null): Rule.Node | null {
  let outermost = node;
  while (outermost?.parent?.range && outermost.parent.type !== 'Program') {
    if (outermost.parent.range[0] !== outermost.range![0]) break;
    outermost = outermost.parent;
  }
  return outermost;
}

export const lineLength: Rule.RuleModule = {
  meta: { type: 'layout', schema: [{ type: 'integer', minimum: 1 }] },
  create(context) {
    const max = Number(context.options[0] ?? 120);
    return {
      'Program:exit'() {
        const ignored = findIgnoredLines(context);
        for (const [index, line] of context.sourceCode.lines.entries()) {
          const number = index + 1;
          const isIgnored = ignored.some(([first, last]) => number >= first && number <= last);
          if (line.length <= max || isIgnored) continue;
          context.report({
            loc: { start: { line: number, column: max }, end: { line: number, column: line.length } },
            message: `This line has ${line.length} columns; the limit is ${max}.`,
          });
        }
      },
    };
  },
};
