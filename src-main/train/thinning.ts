/**
 * @file Fewer points with the same look: of every stretch its lowest and its highest stay, so that no spike
 * is lost, and the shape is kept at any length.
 */

/**
 * Takes points one after the other and keeps at most about `most` of them; `value` decides which of a stretch
 * are lowest and highest.
 */
export interface Thinner<T> {
  take(point: T): void;
  /** Kept points in the order in which they came, with their numbers among all. */ kept(): readonly {
    readonly at: number;
    readonly point: T;
  }[];
}

interface Stretch<T> {
  readonly low: { readonly at: number; readonly point: T };
  readonly high: { readonly at: number; readonly point: T };
}

export function thinner<T>(most: number, value: (point: T) => number): Thinner<T> {
  const room = Math.max(2, Math.floor(most / 2));
  let stretches: Stretch<T>[] = [];
  let width = 1;
  let count = 0;
  let open: { stretch: Stretch<T>; points: number } | undefined;
  let first: { at: number; point: T } | undefined;
  let last: { at: number; point: T } | undefined;
  const joined = (a: Stretch<T>, b: Stretch<T>): Stretch<T> => ({
    low: value(b.low.point) < value(a.low.point) ? b.low : a.low,
    high: value(b.high.point) > value(a.high.point) ? b.high : a.high,
  });
  return {
    take(point) {
      const one = { at: count++, point };
      first ??= one;
      last = one;
      const alone = { low: one, high: one };
      open = open
        ? { stretch: joined(open.stretch, alone), points: open.points + 1 }
        : { stretch: alone, points: 1 };
      if (open.points < width) return;
      stretches.push(open.stretch);
      open = undefined;
      if (stretches.length <= room) return;
      stretches = Array.from({ length: Math.ceil(stretches.length / 2) }, (_, i) => {
        const a = stretches[2 * i]!;
        const b = stretches[2 * i + 1];
        return b ? joined(a, b) : a;
      });
      width *= 2;
    },
    kept() {
      const all = new Map<number, T>();
      for (const { low, high } of open ? [...stretches, open.stretch] : stretches) {
        all.set(low.at, low.point);
        all.set(high.at, high.point);
      }
      for (const end of [first, last]) if (end) all.set(end.at, end.point);
      return [...all].sort(([a], [b]) => a - b).map(([at, point]) => ({ at, point }));
    },
  };
}
