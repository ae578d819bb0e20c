/** @file Thins a curve: keeps the lowest and the highest point of every segment, so that no spike is lost. */

export interface IndexedPoint<T> {
  /** Number of the point among all that were added. */
  readonly index: number;
  readonly point: T;
}

export interface Thinner<T> {
  add(point: T): void;
  /** The kept points in order; the first and the last are always among them. */
  points(): readonly IndexedPoint<T>[];
}

interface Segment<T> {
  readonly low: IndexedPoint<T>;
  readonly high: IndexedPoint<T>;
}

/** Keeps at most about `most` points, by the value that `valueOf` gives them. */
export function createThinner<T>(most: number, valueOf: (point: T) => number): Thinner<T> {
  const maxSegments = Math.max(2, Math.floor(most / 2));
  let segments: Segment<T>[] = [];
  let pointsPerSegment = 1;
  let count = 0;
  let open: { segment: Segment<T>; points: number } | undefined;
  let first: IndexedPoint<T> | undefined;
  let last: IndexedPoint<T> | undefined;

  const merge = (a: Segment<T>, b: Segment<T>): Segment<T> => ({
    low: valueOf(b.low.point) < valueOf(a.low.point) ? b.low : a.low,
    high: valueOf(b.high.point) > valueOf(a.high.point) ? b.high : a.high,
  });
  const mergePairs = (all: readonly Segment<T>[]): Segment<T>[] =>
    Array.from({ length: Math.ceil(all.length / 2) }, (_, i) => {
      const second = all[2 * i + 1];
      return second ? merge(all[2 * i]!, second) : all[2 * i]!;
    });

  return {
    add(point) {
      const indexed = { index: count++, point };
      first ??= indexed;
      last = indexed;
      const single = { low: indexed, high: indexed };
      open = open
        ? { segment: merge(open.segment, single), points: open.points + 1 }
        : { segment: single, points: 1 };
      if (open.points < pointsPerSegment) return;
      segments.push(open.segment);
      open = undefined;
      if (segments.length <= maxSegments) return;
      segments = mergePairs(segments);
      pointsPerSegment *= 2;
    },
    points() {
      const kept = new Map<number, T>();
      for (const { low, high } of open ? [...segments, open.segment] : segments) {
        kept.set(low.index, low.point);
        kept.set(high.index, high.point);
      }
      for (const end of [first, last]) if (end) kept.set(end.index, end.point);
      return [...kept].sort(([a], [b]) => a - b).map(([index, point]) => ({ index, point }));
    },
  };
}
