/**
 * @file Bundles benchmark scripts as the program is bundled. From TypeScript, every thread would first read and
 * strip all its modules.
 */
import { join, resolve } from 'node:path';
import { build } from 'vite';

const root = resolve(import.meta.dirname, '../..');

/** Bundles `scripts` (name → file) into out/bench, with their workers; returns that folder. */
export async function bundleScripts(scripts: Readonly<Record<string, string>>): Promise<string> {
  const outDir = join(root, 'out', 'bench');
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    build: {
      ssr: true,
      outDir,
      emptyOutDir: true,
      target: 'node24',
      minify: false,
      rolldownOptions: {
        input: { ...scripts },
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
      },
    },
  });
  return outDir;
}
