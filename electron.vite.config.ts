/** @file The three builds: main (desktop, command line, engine, workers), preload and renderer. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'electron-vite';
import { resolve } from 'node:path';

const from = (path: string): string => resolve(import.meta.dirname, path);

export default defineConfig({
  main: {
    // The key that updates on Linux are signed with; without it a release refuses them.
    define: { 'process.env.CAMBIUM_UPDATE_KEY': JSON.stringify(process.env['CAMBIUM_UPDATE_KEY'] ?? '') },
    build: {
      outDir: 'out/main',
      target: 'node24',
      minify: false,
      sourcemap: true,
      rolldownOptions: {
        input: {
          desktop: from('src-main/entry/desktop/main.ts'),
          cli: from('src-main/entry/node/cli.ts'),
          engine: from('src-main/engine/main.ts'),
          'row-worker': from('src-main/engine/grow/row-worker.ts'),
          'tokenize-worker': from('src-main/store/data/tokenize-worker.ts'),
          'stream-worker': from('src-main/store/stream/stream-worker.ts'),
          'hub-worker': from('src-main/store/hub/hub-worker.ts'),
        },
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
      },
    },
  },
  preload: {
    build: {
      outDir: 'out/preload',
      minify: false,
      rolldownOptions: {
        input: { preload: from('src-main/entry/desktop/preload.ts') },
        // A sandboxed preload is loaded as CommonJS.
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: {
    root: 'src-renderer',
    plugins: [svelte()],
    build: {
      outDir: 'out/renderer',
      target: 'chrome140',
      // No inlined files: the content security policy forbids inline scripts and fonts.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: { input: from('src-renderer/index.html') },
    },
  },
});
