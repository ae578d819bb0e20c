/**
 * @file What transformers reads from config.json files and names of weights, written by
 * tests/parity/make-config-golden.py.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json, JsonObject } from '../../src-main/base/json.ts';

const folder = join(import.meta.dirname, '../fixtures/transformers');

/** The content of a fixture by the id of the family. */
export const readTransformersFixture = <T>(name: string): Readonly<Record<string, T>> =>
  (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { families: Record<string, T> }).families;

/** A config.json as changes of the family's small one. */
export interface ConfigCase {
  readonly set: Readonly<Record<string, Json>>;
  readonly removed: readonly string[];
}

export const configOfCase = (base: JsonObject, { set, removed }: ConfigCase): JsonObject =>
  Object.fromEntries(Object.entries({ ...base, ...set }).filter(([key]) => !removed.includes(key)));
