/** @file Measures the progress and the speed of a download, and reports them at a steady rate. */
import type { DownloadEvent } from '../../model/hub.ts';

/** Milliseconds between two events. */
const eventInterval = 250;
/** Milliseconds over which the speed is averaged. */
const speedWindow = 5000;

export interface DownloadMeter {
  beginFile(path: string): void;
  /** Counts bytes; negative when a file starts again. */
  addBytes(bytes: number): void;
  endFile(path: string): void;
  /** Stops the reports after a last one. */
  close(): void;
}

export interface DownloadCounts {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly doneFiles: number;
  readonly totalFiles: number;
}

export function createMeter(
  { doneBytes, totalBytes, doneFiles, totalFiles }: DownloadCounts,
  onEvent: ((event: Extract<DownloadEvent, { type: 'bytes' }>) => void) | undefined,
): DownloadMeter {
  const current = new Set<string>();
  const history = [{ time: performance.now(), done: doneBytes }];
  let done = doneBytes;
  let files = doneFiles;
  const report = (): void => {
    const time = performance.now();
    history.push({ time, done });
    while (history.length > 2 && time - history[0]!.time > speedWindow) history.shift();
    const oldest = history[0]!;
    const seconds = (time - oldest.time) / 1000;
    onEvent?.({
      type: 'bytes',
      done,
      of: totalBytes,
      perSecond: seconds > 0 ? Math.max(0, (done - oldest.done) / seconds) : 0,
      files,
      ofFiles: totalFiles,
      now: [...current],
    });
  };
  const timer = setInterval(report, eventInterval);
  report();
  return {
    beginFile(path) {
      current.add(path);
    },
    addBytes(bytes) {
      done = Math.max(0, Math.min(totalBytes, done + bytes));
    },
    endFile(path) {
      current.delete(path);
      files++;
    },
    close() {
      clearInterval(timer);
      report();
    },
  };
}
