/**
 * @file A benchmark's script as the program is shipped: bundled JavaScript, its workers beside it. From
 * TypeScript every thread would first read and strip all its modules.
 */
import { join, resolve } from 'node:path';
import { build } from 'vite';

const root = resolve(import.meta.dirname, '../..');

/** Bundles `scripts` (name → file) into out/bench; answers with the folder. */
export async function bundled(scripts: Readonly<Record<string, string>>): Promise<string> {
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
