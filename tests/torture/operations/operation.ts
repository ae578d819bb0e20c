/** @file What is done again and again while processes are killed, disks fill and writes are torn. */

/** Where an operation works. Both folders are its own. */
export interface Place {
  /** What the operation changes. */
  readonly root: string;
  /** What it only reads. */
  readonly inputs: string;
}

/** How far the work of all processes is. */
export interface Progress {
  /** Number of the last work that began; 0: none. */
  readonly begun: number;
  /** Number of the last work that was done to its end; 0: none. */
  readonly done: number;
  /** How many were done to their end. */
  readonly completed: number;
  /** True after a power failure, which may tear what was not synced in its middle. */
  readonly isTorn?: boolean;
}

export interface Operation {
  /** The first guess of how long one work takes, in milliseconds. */
  readonly guess: number;
  /** Fills both folders before the first work. Returns what ends the server that it has started, if it has. */
  prepare(place: Place): Promise<(() => Promise<void>) | undefined>;
  /** Work number `progress.begun`. */
  work(place: Place, progress: Progress): Promise<void>;
  /** Reopens everything as a new process would. Returns what is lost, or half-written and looks whole. */
  check(place: Place, progress: Progress): Promise<readonly string[]>;
  /** Removes what earlier works made and no check needs any more. */
  clean?(place: Place, progress: Progress): void;
}

/** The operations by name, each loaded only by the process that needs it. */
export const operations: Readonly<Record<string, () => Promise<Operation>>> = {
  lists: async () => (await import('./lists.ts')).lists,
  save: async () => (await import('./save.ts')).save,
  install: async () => (await import('./install.ts')).install,
  download: async () => (await import('./download.ts')).download,
  grow: async () => (await import('./grow.ts')).grow,
  train: async () => (await import('./train.ts')).train,
  'grow-while-training': async () => (await import('./train.ts')).growWhileTraining,
};
