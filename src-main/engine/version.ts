/** @file The version of Cambium, as written into what it makes. */
import { createRequire } from 'node:module';

export const version: string = (createRequire(import.meta.url)('../../package.json') as { version: string })
  .version;
