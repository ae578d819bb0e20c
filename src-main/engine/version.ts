/** @file The version of Cambium, for the records and model cards it writes. */
import { createRequire } from 'node:module';

export const version: string = (createRequire(import.meta.url)('../../package.json') as { version: string })
  .version;
