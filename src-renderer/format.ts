/** @file Text that only the page needs: ages, sentences and paths. Numbers are formatted by base/format.ts. */

/** `just now`, `4 minutes ago`, `yesterday`, or a date; empty when `time` is not a date. */
export function formatTimeAgo(time: string, now = Date.now()): string {
  const then = Date.parse(time);
  if (Number.isNaN(then)) return '';
  const seconds = (now - then) / 1000;
  const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return relative.format(-Math.round(seconds / 60), 'minute');
  if (seconds < 86_400) return relative.format(-Math.round(seconds / 3600), 'hour');
  if (seconds < 30 * 86_400) return relative.format(-Math.round(seconds / 86_400), 'day');
  return new Date(then).toLocaleDateString('en', { dateStyle: 'medium' });
}

/** `today`, `1 day old`, `3 days old`. */
export function formatDaysOld(days: number): string {
  if (days === 0) return 'today';
  return days === 1 ? '1 day old' : `${days} days old`;
}

export const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `text` with a capital and a full stop. A name or a path at its start keeps its letters. */
export function toSentence(text: string): string {
  const startsWithWord = /^[a-z]+(?![\w./\\:-])/.test(text);
  const endsWithStop = /[.!?]$/.test(text);
  return `${startsWithWord ? capitalize(text) : text}${endsWithStop ? '' : '.'}`;
}

/** The last part of a path with slashes or backslashes. */
export const baseName = (path: string): string =>
  path
    .replace(/[\\/]+$/, '')
    .split(/[\\/]/)
    .pop() ?? path;

/** The first of `path`, `path-2`, `path-3` … whose name is not in `taken`, the names in its folder. */
export function findFreePath(path: string, taken: readonly string[]): string {
  for (let n = 2, candidate = path; ; n++) {
    if (!taken.includes(baseName(candidate))) return candidate;
    candidate = `${path}-${n}`;
  }
}

/** A path below `dir`, with the separator that `dir` uses. */
export function joinPath(dir: string, ...names: readonly string[]): string {
  const separator = dir.includes('\\') && !dir.includes('/') ? '\\' : '/';
  return [dir.replace(/[\\/]+$/, ''), ...names].join(separator);
}
