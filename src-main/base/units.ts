/** @file Counts and byte sizes as people type them. Prefixes are powers of ten, `Ki` and so on powers of two. */

const scale: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, b: 1e9, t: 1e12 };

/** Reads `1M`, `2.5e6`, `300k`, `1_000_000`; undefined when the text is not a count. */
export function readCount(text: string): number | undefined {
  const found = /^(\d[\d_,]*(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)\s*([kmgbt]?)$/i.exec(text.trim());
  if (!found) return undefined;
  const value = Number(found[1]!.replace(/[_,]/g, '')) * scale[found[2]!.toLowerCase()]!;
  return Number.isFinite(value) ? Number(value.toPrecision(15)) : undefined;
}

/** Reads `20 GB`, `512 MiB`, `1.5e9` as bytes; undefined when the text is not a size. */
export function readBytes(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([kmgt]?)(i?)b?(?:ytes)?$/i.exec(text.trim());
  if (!found) return undefined;
  const unit = found[2]!.toLowerCase();
  const factor = found[3] ? 1024 ** ' kmgt'.indexOf(unit || ' ') : scale[unit]!;
  return Math.round(Number(found[1]) * factor);
}
