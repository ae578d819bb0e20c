/** @file Where the script of a worker is. */

/**
 * The worker `name` of the module at `from`: TypeScript beside it in the checkout; in a build, JavaScript
 * beside the entries, above their chunks.
 */
export const workerFile = (name: string, from: string): URL =>
  new URL(
    from.endsWith('.ts') ? `./${name}.ts` : from.includes('/chunks/') ? `../${name}.js` : `./${name}.js`,
    from,
  );
