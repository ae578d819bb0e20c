/** @file Finds the script of a worker thread, in the checkout and in a build. */

/**
 * The URL of worker `name` of the module whose `import.meta.url` is `from`. In the checkout it is the
 * TypeScript file next to the module. In a build it is a JavaScript file next to the entry points, one folder
 * above their chunks.
 */
export function resolveWorkerUrl(name: string, from: string): URL {
  if (from.endsWith('.ts')) return new URL(`./${name}.ts`, from);
  return new URL(from.includes('/chunks/') ? `../${name}.js` : `./${name}.js`, from);
}
