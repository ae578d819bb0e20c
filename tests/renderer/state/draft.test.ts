import { afterEach, expect, it } from 'vitest';
import { growthDraft } from '../../../src-main/contract/schema.ts';
import { keyOfHistoryEntry, readDraft, removeDraft, writeDraft } from '../../../src-renderer/state/draft.ts';

afterEach(() => {
  sessionStorage.clear();
});

const draft = {
  requests: [{ method: 'expand', to: { hidden: 96 }, options: { eps: 0.1 }, seed: 3, dtype: 'keep' }],
  selected: 0,
  device: 'cpu',
};

it('restores the form that was left', () => {
  writeDraft('grow /a', draft);
  expect(readDraft('grow /a', growthDraft)).toEqual(draft);
  expect(readDraft('grow /b', growthDraft)).toBeUndefined();
  removeDraft('grow /a');
  expect(readDraft('grow /a', growthDraft)).toBeUndefined();
});

it('ignores what is no draft', () => {
  writeDraft('grow /a', { ...draft, requests: [{ method: 'expand', to: { hidden: null } }] });
  expect(readDraft('grow /a', growthDraft)).toBeUndefined();
  sessionStorage.setItem('cambium.draft.grow /a', '{');
  expect(readDraft('grow /a', growthDraft)).toBeUndefined();
});

it('gives every entry of the history its own key, and the same one after a return', () => {
  history.replaceState(null, '');
  const first = keyOfHistoryEntry();
  expect(keyOfHistoryEntry()).toBe(first);
  const state: unknown = history.state;
  history.replaceState(null, '');
  expect(keyOfHistoryEntry()).not.toBe(first);
  history.replaceState(state, '');
  expect(keyOfHistoryEntry()).toBe(first);
});
