/**
 * @file The lint rule that reads `src-main/layers.ts`: no import upwards (types and dynamic imports
 * included), no package outside its owner.
 */
import { relative, resolve, dirname, sep } from 'node:path';
import type { Rule } from 'eslint';
import { layers, owners } from '../src-main/layers.ts';

const root = resolve(import.meta.dirname, '..');
const inside = (file: string): string => relative(root, file).split(sep).join('/');

/** The layer of a path below the root, or undefined outside `src-main` and `src-renderer`. */
export function layerOf(path: string): string | undefined {
  const [top, second] = path.split('/');
  if (top === 'src-renderer') return top;
  return top === 'src-main' && second !== undefined && second in layers ? second : undefined;
}

/** Why `from` (a path below the root) may not import `specifier`, or undefined when it may. */
export function refusal(from: string, specifier: string): string | undefined {
  const layer = layerOf(from);
  if (layer === undefined) return undefined;
  if (specifier.startsWith('.')) {
    const target = inside(resolve(root, dirname(from), specifier));
    const to = layerOf(target);
    if (to === undefined || to === layer || layers[layer]!.mayImport.includes(to)) return undefined;
    return `'${layer}' may not import '${to}'; it may import: ${layers[layer]!.mayImport.join(', ') || 'nothing'}.`;
  }
  if (layers[layer]!.environment !== 'node' && specifier.startsWith('node:'))
    return `'${layer}' has no Node.`;
  const name = specifier.startsWith('node:')
    ? specifier
    : specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
  const places = owners[name];
  if (places && !places.some((place) => from === place || from.startsWith(`${place}/`)))
    return `'${name}' belongs to ${places.join(', ')}.`;
  return undefined;
}

export const layering: Rule.RuleModule = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const check = (node: Rule.Node, source: unknown): void => {
      const value = (source as { value?: unknown } | null)?.value;
      if (typeof value !== 'string') return;
      const message = refusal(inside(context.filename), value);
      if (message !== undefined) context.report({ node, message });
    };
    return {
      ImportDeclaration: (node) => {
        check(node, node.source);
      },
      ExportNamedDeclaration: (node) => {
        check(node, node.source);
      },
      ExportAllDeclaration: (node) => {
        check(node, node.source);
      },
      ImportExpression: (node) => {
        check(node, node.source);
      },
      TSImportType: (node: Rule.Node) => {
        check(node, (node as unknown as { source?: unknown }).source);
      },
    } as Rule.RuleListener;
  },
};
