import { expect, it } from 'vitest';
import {
  baseName,
  findFreePath,
  formatDaysOld,
  formatTimeAgo,
  joinPath,
  toSentence,
} from '../../src-renderer/format.ts';

it('formats times relative to now', () => {
  const now = Date.parse('2026-11-20T12:00:00Z');
  const at = (seconds: number): string => formatTimeAgo(new Date(now - 1000 * seconds).toISOString(), now);
  expect([5, 240, 7200, 86_400].map(at)).toEqual(['just now', '4 minutes ago', '2 hours ago', 'yesterday']);
  expect(formatTimeAgo('not a date', now)).toBe('');
});

it('formats the age of a price in days', () => {
  expect([0, 1, 40].map(formatDaysOld)).toEqual(['today', '1 day old', '40 days old']);
});

it('capitalises words, but not names and paths', () => {
  expect(toSentence('the disk is full')).toBe('The disk is full.');
  expect(toSentence('config.json has no hidden_size')).toBe('config.json has no hidden_size.');
  expect(toSentence('Is it complete?')).toBe('Is it complete?');
});

it('handles paths of either system', () => {
  expect(baseName('/a/b/')).toBe('b');
  expect(baseName('C:\\a\\b')).toBe('b');
  expect(joinPath('C:\\a\\', 'b', 'c')).toBe('C:\\a\\b\\c');
  expect(joinPath('/a/', 'b')).toBe('/a/b');
});

it('finds a path whose name is free', () => {
  expect(findFreePath('/a/b', [])).toBe('/a/b');
  expect(findFreePath('/a/b', ['b', 'b-2'])).toBe('/a/b-3');
});
