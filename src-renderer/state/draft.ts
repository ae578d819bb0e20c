/**
 * @file Forms that are left keep their content until the tab closes: Back, Forward and a reload restore it. A link to
 * the same form opens it anew.
 */
import { parseJsonIfValid, type Schema } from '../../src-main/base/json.ts';

const prefix = 'cambium.draft.';
const stateKey = 'cambiumDraft';

/** The key of the drafts of this entry of the history. Going back to the entry finds the same key. */
export function keyOfHistoryEntry(): string {
  const state = (history.state ?? {}) as Readonly<Record<string, unknown>>;
  const found = state[stateKey];
  if (typeof found === 'string') return found;
  const key = crypto.randomUUID();
  history.replaceState({ ...state, [stateKey]: key }, '');
  return key;
}

/** The draft of a form; undefined if there is none, or if another version wrote it. */
export function readDraft<T>(key: string, schema: Schema<T>): T | undefined {
  try {
    return parseJsonIfValid(sessionStorage.getItem(prefix + key) ?? 'null', schema);
  } catch {
    // Storage is forbidden.
    return undefined;
  }
}

/** Stores the draft of a form. A browser that stores nothing loses it, as before. */
export function writeDraft(key: string, value: unknown): void {
  try {
    sessionStorage.setItem(prefix + key, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden.
  }
}

export function removeDraft(key: string): void {
  try {
    sessionStorage.removeItem(prefix + key);
  } catch {
    // Storage is forbidden.
  }
}
