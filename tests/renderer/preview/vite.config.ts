/** @file Builds the preview: `vite build -c tests/renderer/preview/vite.config.ts`. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  root: 'tests/renderer/preview',
  base: './',
  plugins: [svelte()],
  build: { outDir: '/tmp/cambium-preview', emptyOutDir: true, target: 'chrome140' },
});
