/** @file Thins the events of a run to what a chart can draw. */
import type { RunEvent, RunHistory } from '../../train/run.ts';
import { createThinner, type Thinner } from '../../train/thinning.ts';

/** Most steps, and most events of every other measurement, that are kept. */
const mostSteps = 4000;
const mostOthers = 1000;

/** The number by which events of a type are thinned. */
const thinnedBy: Readonly<Partial<Record<RunEvent['type'], (event: never) => number>>> = {
  step: (e: { loss: number }) => e.loss,
  evaluated: (e: { loss: number }) => e.loss,
  averaged: (e: { loss: number }) => e.loss,
  asymmetry: (e: { value: number }) => e.value,
  usage: (e: { memory: number | null }) => e.memory ?? 0,
};

/** Types of which only the newest events are kept. Types in neither table are kept in full. */
const newestKept: Readonly<Partial<Record<RunEvent['type'], number>>> = {
  saved: 200,
  sample: 200,
  skipped: 1000,
  preparing: 1,
};

export interface EventThinner {
  add(event: RunEvent): void;
  result(): Pick<RunHistory, 'events' | 'isComplete'>;
}

interface Entry {
  readonly line: number;
  readonly event: RunEvent;
  /** Seconds of all steps up to this event. */
  readonly elapsed: number;
}

export function createEventThinner(): EventThinner {
  const thinners = new Map<string, Thinner<Entry>>();
  const others: Entry[] = [];
  const counts = new Map<string, number>();
  let lines = 0;
  let elapsed = 0;

  function thinnerFor(type: RunEvent['type'], value: (event: RunEvent) => number): Thinner<Entry> {
    const known = thinners.get(type);
    if (known) return known;
    const most = type === 'step' ? mostSteps : mostOthers;
    const created = createThinner<Entry>(most, (entry) => value(entry.event));
    thinners.set(type, created);
    return created;
  }

  function addToNewest(entry: Entry): void {
    const { type } = entry.event;
    others.push(entry);
    const count = (counts.get(type) ?? 0) + 1;
    const most = newestKept[type];
    if (most === undefined || count <= most) {
      counts.set(type, count);
      return;
    }
    const oldest = others.findIndex((other) => other.event.type === type);
    others.splice(oldest, 1);
  }

  return {
    add(event) {
      if (event.type === 'step') elapsed += event.seconds;
      const entry = { line: lines++, event, elapsed };
      const value = thinnedBy[event.type] as ((e: RunEvent) => number) | undefined;
      if (value) thinnerFor(event.type, value).add(entry);
      else addToNewest(entry);
    },
    result() {
      const thinned = [...thinners.values()].flatMap((thinner) => thinner.points().map(({ point }) => point));
      const kept = [...thinned, ...others].sort((a, b) => a.line - b.line);
      const isComplete = kept.length === lines;
      const events = kept.map((entry) =>
        entry.event.type === 'step' && !isComplete ? { ...entry.event, elapsed: entry.elapsed } : entry.event,
      );
      return { events, isComplete };
    },
  };
}
