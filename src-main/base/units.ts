/**
 * @file Bytes, counts, durations, FLOPs: read from what people type, and shown as people read them. Powers of
 * ten throughout.
 */

const scale: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, b: 1e9, t: 1e12 };

/** `1M`, `2.5e6`, `300k`, `1_000_000` as a number, or undefined when it is none. */
export function readCount(text: string): number | undefined {
  const found = /^(\d[\d_,]*(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)\s*([kmgbt]?)$/i.exec(text.trim());
  if (!found) return undefined;
  const value = Number(found[1]!.replace(/[_,]/g, '')) * scale[found[2]!.toLowerCase()]!;
  return Number.isFinite(value) ? Number(value.toPrecision(15)) : undefined;
}

/** `20 GB`, `512 MiB`, `1.5e9` as bytes, or undefined when it is none. */
export function readBytes(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([kmgt]?)(i?)b?(?:ytes)?$/i.exec(text.trim());
  if (!found) return undefined;
  const unit = found[2]!.toLowerCase();
  return Math.round(Number(found[1]) * (found[3] ? 1024 ** ' kmgt'.indexOf(unit || ' ') : scale[unit]!));
}

/** Three digits and a prefix: 1234567 is `1.23M`. */
function short(value: number, prefixes: readonly string[]): string {
  let i = 0;
  let v = value;
  // 999.6 would print as 1000.
  while (Math.abs(v) >= 999.5 && i < prefixes.length - 1) {
    v /= 1000;
    i++;
  }
  const text =
    i === 0
      ? String(Number(v.toPrecision(3)))
      : Math.abs(v) >= 99.95
        ? v.toFixed(0)
        : Math.abs(v) >= 9.995
          ? v.toFixed(1)
          : v.toFixed(2);
  return `${text}${prefixes[i]!}`;
}

/** `13.2M`, `1.42B`. */
export const showCount = (count: number): string => short(count, ['', 'k', 'M', 'B', 'T']);
/** `1.05 MB`. */
export const showBytes = (bytes: number): string => short(bytes, [' B', ' kB', ' MB', ' GB', ' TB', ' PB']);
/** `2.10 TFLOP`. */
export const showFlops = (flops: number): string =>
  short(flops, [' FLOP', ' kFLOP', ' MFLOP', ' GFLOP', ' TFLOP', ' PFLOP', ' EFLOP', ' ZFLOP']);

/** `0.42 s`, `38 s`, `4 min 10 s`, `3 h 05 min`, `2 d 4 h`. */
export function showDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  const two = (n: number): string => String(n).padStart(2, '0');
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}
