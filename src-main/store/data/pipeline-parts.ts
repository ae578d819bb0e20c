/** @file Lists the parts of a tokenizer's normalizer, pre-tokenizer or decoder. */
import type { JsonObject } from '../../base/json.ts';
import { isObject } from '../fs/files.ts';

/** The parts of a component, with nested sequences flattened. */
export function listParts(component: JsonObject | null, key: string): readonly JsonObject[] {
  if (component === null) return [];
  if (component['type'] !== 'Sequence') return [component];
  const parts = component[key];
  if (!Array.isArray(parts)) return [{ type: 'unknown' }];
  return parts.flatMap((part) => (isObject(part) ? listParts(part, key) : [{ type: 'unknown' }]));
}
