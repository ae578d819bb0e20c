/** @file Turns the events of a commit to the Hub into progress of the whole push. */
import type { CommitProgressEvent } from '@huggingface/hub';
import type { PushEvent, PushFile } from '../../model/hub.ts';

/** Milliseconds between two events. */
const eventInterval = 200;

export interface PushMeter {
  /** Takes an event of the client library. */
  onProgress(event: CommitProgressEvent): void;
  /** Counts the bytes of a part of a large file that have been sent. */
  onSent(path: string, part: number, sentBytes: number): void;
}

export function createPushMeter(
  files: readonly PushFile[],
  onEvent: ((event: PushEvent) => void) | undefined,
): PushMeter {
  const sizes = new Map(files.map((file) => [file.path, file.bytes]));
  const totalBytes = sum(sizes.values());
  const doneBytes = new Map<string, number>();
  const sentParts = new Map<string, Map<number, number>>();
  const startTime = performance.now();
  let phase: 'hashing' | 'uploading' | 'committing' = 'hashing';
  let current = '';
  let lastEvent = 0;
  const report = (isForced = false): void => {
    const time = performance.now();
    if (!isForced && time - lastEvent < eventInterval) return;
    lastEvent = time;
    const done = sum(doneBytes.values());
    const seconds = Math.max(0.001, (time - startTime) / 1000);
    onEvent?.({
      type: 'bytes',
      phase,
      done: phase === 'committing' ? totalBytes : Math.min(totalBytes, done),
      of: totalBytes,
      perSecond: phase === 'uploading' ? done / seconds : 0,
      now: current,
    });
  };
  return {
    onProgress(event) {
      if (event.event === 'phase') {
        if (event.phase === 'preuploading') return;
        phase = event.phase === 'committing' ? 'committing' : 'hashing';
        report(true);
        return;
      }
      const { path, progress, state } = event;
      if (state === 'uploading' && phase === 'hashing') {
        phase = 'uploading';
        doneBytes.clear();
      }
      if (state === 'hashing' || progress === 1) doneBytes.set(path, progress * (sizes.get(path) ?? 0));
      current = path;
      report();
    },
    onSent(path, part, sentBytes) {
      const parts = sentParts.get(path) ?? new Map<number, number>();
      sentParts.set(path, parts);
      parts.set(part, sentBytes);
      doneBytes.set(path, sum(parts.values()));
      current = path;
      report();
    },
  };
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
