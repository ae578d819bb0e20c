/**
 * @file The lint rule that enforces src-main/layers.ts: no import of a layer that is not allowed (types and dynamic
 * imports included), and no import of a package outside of its owner.
 */
import { dirname, relative, resolve, sep } from 'node:path';
import type { Rule } from 'eslint';
import { layers, packageOwners } from '../src-main/layers.ts';

const root = resolve(import.meta.dirname, '..');
const fromRoot = (file: string): string => relative(root, file).split(sep).join('/');

/** The layer of a path from the root; undefined outside of `src-main` and `src-renderer`. */
export function findLayer(path: string): string | undefined {
  const [top, second] = path.split('/');
  if (top === 'src-renderer') return top;
  return top === 'src-main' && second !== undefined && second in layers ? second : undefined;
}

/** `@scope/name/path` without its path; a Node module as it is. */
export function packageName(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Why the file `from` (a path from the root) may not import `specifier`; undefined if it may. */
export function checkImport(from: string, specifier: string): string | undefined {
  const layer = findLayer(from);
  if (layer === undefined) return undefined;
  const { mayImport, environment } = layers[layer]!;
  if (specifier.startsWith('.')) {
    const target = findLayer(fromRoot(resolve(root, dirname(from), specifier)));
    if (target === undefined || target === layer || mayImport.includes(target)) return undefined;
    return `'${layer}' may not import '${target}'; it may import: ${mayImport.join(', ') || 'nothing'}.`;
  }
  if (environment !== 'node' && specifier.startsWith('node:')) return `'${layer}' has no Node.`;
  const name = packageName(specifier);
  const owners = packageOwners[name];
  if (!owners || owners.some((owner) => from === owner || from.startsWith(`${owner}/`))) return undefined;
  return `'${name}' belongs to ${owners.join(', ')}.`;
}

export const layering: Rule.RuleModule = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const check = (node: Rule.Node, source: unknown): void => {
      const value = (source as { value?: unknown } | null)?.value;
      if (typeof value !== 'string') return;
      const message = checkImport(fromRoot(context.filename), value);
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
