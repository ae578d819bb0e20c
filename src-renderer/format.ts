/** @file Numbers in words: counts, bytes, times, and values with as many digits as they deserve. */

const scaled = (value: number, base: number, units: readonly string[]): string => {
  let unit = 0;
  let rest = Math.abs(value);
  while (rest >= base * 0.9995 && unit < units.length - 1) {
    rest /= base;
    unit++;
  }
  const digits = unit === 0 ? (Number.isInteger(rest) ? 0 : 1) : rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
  return `${value < 0 ? '−' : ''}${rest.toFixed(digits)}${units[unit]!}`;
};

/** 1234567 is "1.23 M"; small whole numbers stay as they are. */
export const count = (value: number): string => scaled(value, 1000, ['', ' k', ' M', ' B', ' T', ' Q']);
/** "1 file", "1.23 k files". */
export const counted = (value: number, what: string): string =>
  `${count(value)} ${what}${value === 1 ? '' : 's'}`;
/** Every digit, in groups of three by narrow spaces. */
export const exact = (value: number): string =>
  Math.round(value).toLocaleString('en').replaceAll(',', '\u202f');
export const bytes = (value: number): string => scaled(value, 1000, [' B', ' kB', ' MB', ' GB', ' TB']);

/** "0.8 s", "1 min 20 s", "3 h 05 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const pad = (n: number): string => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`;
}

/** A measured value: 2.3456, 0.00012 as "1.2e-4", 0 as "0". */
export function measured(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-3 || size >= 1e6)
    return value
      .toExponential(Math.min(digits - 2, 2))
      .replace('e+', 'e')
      .replace('-', value < 0 ? '−' : '-');
  return value.toFixed(Math.max(0, digits - 1 - Math.max(-2, Math.floor(Math.log10(size)))));
}

/** A factor as people write it: ×½, ×2, ×0.7071. */
export function times(factor: number): string {
  const simple: Readonly<Record<string, string>> = { '0.5': '½', '0.25': '¼', '0.75': '¾', '0.125': '⅛' };
  return `×${simple[String(factor)] ?? (Number.isInteger(factor) ? factor : Number(factor.toPrecision(4)))}`;
}

export const percent = (share: number, digits = 1): string => `${(share * 100).toFixed(digits)} %`;

/** "just now", "4 minutes ago", "yesterday", or a date. */
export function ago(time: string, now = Date.now()): string {
  const then = Date.parse(time);
  if (Number.isNaN(then)) return '';
  const seconds = (now - then) / 1000;
  const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return words.format(-Math.round(seconds / 60), 'minute');
  if (seconds < 86_400) return words.format(-Math.round(seconds / 3600), 'hour');
  if (seconds < 30 * 86_400) return words.format(-Math.round(seconds / 86_400), 'day');
  return new Date(then).toLocaleDateString('en', { dateStyle: 'medium' });
}

/** Words as a sentence; a name or a path at its start keeps its letters. */
export const sentence = (text: string): string =>
  `${/^[a-z]+(?![\w./\\:-])/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text}${/[.!?]$/.test(text) ? '' : '.'}`;

/** The last part of a path of any system. */
export const baseName = (path: string): string =>
  path
    .replace(/[\\/]+$/, '')
    .split(/[\\/]/)
    .pop() ?? path;
/** `path`, or `path-2`, `path-3`… whichever name is not among those taken in its folder. */
export function freePath(path: string, taken: readonly string[]): string {
  for (let n = 2, free = path; ; n++) {
    if (!taken.includes(baseName(free))) return free;
    free = `${path}-${n}`;
  }
}
/** A path below a folder, with that folder's own separator. */
export const joined = (dir: string, ...names: readonly string[]): string => {
  const separator = dir.includes('\\') && !dir.includes('/') ? '\\' : '/';
  return [dir.replace(/[\\/]+$/, ''), ...names].join(separator);
};
