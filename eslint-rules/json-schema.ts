/**
 * @file The lint rule for JSON: it is parsed by `parseJson` of base/json.ts, which takes a schema, and what the readers
 * of JSON files return is not cast to another type.
 */
import type { Rule } from 'eslint';

/** The only file that may call `JSON.parse`. */
const parserFile = 'src-main/base/json.ts';
const readers = /^(?:parse|read|fetch)Json\w*$/;

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}
const isNode = (value: unknown): value is Node => typeof (value as Node | null)?.type === 'string';

/** The call that gives the value of an expression, behind `await`, `.catch(…)`, `??`, parentheses and casts. */
function findCall(node: Node): Node | undefined {
  if (node.type === 'AwaitExpression') return findCall(node['argument'] as Node);
  if (node.type === 'LogicalExpression') return findCall(node['left'] as Node);
  if (node.type === 'TSAsExpression') return findCall(node['expression'] as Node);
  if (node.type !== 'CallExpression') return undefined;
  const callee = node['callee'] as Node;
  if (callee.type === 'Identifier') return node;
  const { object } = callee;
  return callee.type === 'MemberExpression' && isNode(object) ? findCall(object) : undefined;
}

export const jsonSchema: Rule.RuleModule = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const isParser = context.filename.replaceAll('\\', '/').endsWith(parserFile);
    return {
      "CallExpression[callee.object.name='JSON'][callee.property.name='parse']"(node: Rule.Node) {
        if (!isParser)
          context.report({
            node,
            message: 'Parse JSON with parseJson of base/json.ts, which takes a schema.',
          });
      },
      TSAsExpression(node: Rule.Node) {
        const call = findCall((node as unknown as { readonly expression: Node }).expression);
        const { name } = (call?.['callee'] ?? {}) as { readonly name?: string };
        if (name !== undefined && readers.test(name))
          context.report({ node, message: `What ${name} returns needs a schema, not a cast.` });
      },
    };
  },
};
