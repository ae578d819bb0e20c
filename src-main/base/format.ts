/** @file Numbers as text, the same on the page, on the command line and in errors. Prefixes are powers of ten. */

/** Three significant digits and a unit. Whole numbers below 1000 of the first unit keep all their digits. */
function formatScaled(value: number, units: readonly string[]): string {
  if (!Number.isFinite(value)) return '–';
  let size = Math.abs(value);
  let unit = 0;
  // 999.6 would print as 1000.
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  const text = unit === 0 ? String(Number(size.toPrecision(3))) : toThreeDigits(size);
  return `${value < 0 ? '−' : ''}${text}${units[unit]!}`;
}

/** 1.23, 12.3, 123: three digits of a number between 1 and 1000. */
function toThreeDigits(size: number): string {
  if (size >= 99.95) return size.toFixed(0);
  return size.toFixed(size >= 9.995 ? 1 : 2);
}

/** `999`, `1.23 M`, `7.00 B`. */
export const formatCount = (value: number): string => formatScaled(value, ['', ' k', ' M', ' B', ' T']);

/** `1 file`, `1.23 k files`. */
export const formatQuantity = (value: number, noun: string): string =>
  `${formatCount(value)} ${noun}${value === 1 ? '' : 's'}`;

/** A unit in the plural, beside its value: `batches`, but `batch` beside 1. Others, such as `GB`, stay. */
export const formatUnit = (value: number, unit: string): string =>
  value === 1 ? unit.replace(/(?<=ch|sh|ss|x)es$|(?<=[a-z]{2})s$/, '') : unit;

/** `1st`, `2nd`, `3rd`, `11th`. */
export function formatOrdinal(value: number): string {
  const isTeen = Math.floor((value % 100) / 10) === 1;
  const suffix = isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][value % 10] ?? 'th');
  return `${value}${suffix}`;
}

/** Every digit, in groups of three separated by narrow spaces. */
export const formatInteger = (value: number): string =>
  Math.round(value).toLocaleString('en').replaceAll(',', '\u202f');

/** `512 B`, `389 MB`. */
export const formatBytes = (bytes: number): string =>
  formatScaled(bytes, [' B', ' kB', ' MB', ' GB', ' TB', ' PB']);

const flopUnits = [' FLOP', ' kFLOP', ' MFLOP', ' GFLOP', ' TFLOP', ' PFLOP', ' EFLOP', ' ZFLOP'];

/** `2.10 TFLOP`. */
export const formatFlops = (flops: number): string => formatScaled(flops, flopUnits);

/** `20 ms`, `1.3 s`, `59 s`, `1 min 01 s`, `3 h 05 min`, `1 d 01 h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const wholeSeconds = Math.round(seconds);
  if (wholeSeconds < 60) return `${wholeSeconds} s`;
  if (wholeSeconds < 3600) return `${Math.floor(wholeSeconds / 60)} min ${padTwo(wholeSeconds % 60)} s`;
  const minutes = Math.round(wholeSeconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${padTwo(minutes % 60)} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${padTwo(hours % 24)} h`;
}

const padTwo = (value: number): string => String(value).padStart(2, '0');

/** A duration that is only estimated, in one unit: `20 ms`, `13 min`, `2.4 h`, `3.1 d`. */
export function formatRoughDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 59.5) return formatDuration(seconds);
  const units = [
    ['min', 60, 59.5],
    ['h', 3600, 47.5],
    ['d', 86_400, Infinity],
  ] as const;
  const [name, length] = units.find(([, size, below]) => seconds / size < below) ?? units[2];
  const value = seconds / length;
  return `${value < 9.95 ? Number(value.toFixed(1)) : Math.round(value)} ${name}`;
}

/** US dollars: `$0`, `< $0.01`, `$0.42`, `$1 235` from a hundred dollars on. */
export function formatMoney(dollars: number): string {
  if (!Number.isFinite(dollars)) return '–';
  if (dollars > 0 && dollars < 0.01) return '< $0.01';
  if (dollars === 0) return '$0';
  return `$${dollars < 99.995 ? dollars.toFixed(2) : formatInteger(dollars)}`;
}

/** Kilowatt-hours: `< 0.01 Wh`, `0.40 Wh`, `12.3 kWh`. */
export const formatEnergy = (kilowattHours: number): string =>
  formatAmount(1000 * kilowattHours, ['Wh', 'kWh', 'MWh']);

/** Grams: `5.40 g`, `54.3 kg`, `2.50 t`. */
export const formatMass = (grams: number): string => formatAmount(grams, ['g', 'kg', 't']);

/** A physical amount with three digits; what would print as zero is `< 0.01`. */
function formatAmount(value: number, units: readonly string[]): string {
  if (!Number.isFinite(value)) return '–';
  if (value > 0 && value < 0.01) return `< 0.01 ${units[0]!}`;
  if (value < 999.5) return `${value === 0 ? '0' : toThreeDigits(value)} ${units[0]!}`;
  return formatScaled(
    value,
    units.map((unit) => ` ${unit}`),
  );
}

/** A measured value with `digits` significant digits: `2.346`, `1.20e-5`, `0`. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-3 || size >= 1e6) {
    const text = value.toExponential(digits - 2).replace('e+', 'e');
    return value < 0 ? text.replace('-', '−') : text;
  }
  const text = size.toFixed(Math.max(0, digits - 1 - Math.max(-2, Math.floor(Math.log10(size)))));
  return value < 0 ? `−${text}` : text;
}

const fractions: Readonly<Record<string, string>> = { '0.5': '½', '0.25': '¼', '0.75': '¾', '0.125': '⅛' };

/** `×½`, `×2`, `×0.7071`. */
export function formatFactor(factor: number): string {
  const decimal = Number.isInteger(factor) ? factor : Number(factor.toPrecision(4));
  return `×${fractions[String(factor)] ?? decimal}`;
}

/** A share of one as `50.0 %`. */
export const formatPercent = (share: number, digits = 1): string => `${(share * 100).toFixed(digits)} %`;

/**
 * Both ends of a range, with a common unit written once: `13–38 min`, `50 s – 2 min`, `$0.12–0.34`; one value
 * where both ends read the same.
 */
export function formatRange(
  { low, high }: { readonly low: number; readonly high: number },
  format: (value: number) => string,
): string {
  const from = format(low);
  const to = format(high);
  if (from === to) return to;
  if (from.startsWith('<')) return `up to ${to}`;
  const form = /^(\$?)([\d.\u202f]+)( \S+)?$/;
  const [, sign, start, unit] = form.exec(from) ?? [];
  const [, endSign, end, endUnit] = form.exec(to) ?? [];
  if (start === undefined || end === undefined || sign !== endSign || unit !== endUnit)
    return `${from} – ${to}`;
  return `${sign!}${start}–${end}${unit ?? ''}`;
}
