/** @file What a torture is: a test that is repeated many times with random choices, which follow from a seed. */

export interface TortureOptions {
  /** How many times to try: kills, inputs, operations, steps. */
  readonly count: number;
  readonly seed: number;
  /** Arguments after the name that are no flags, such as the name of a parser. */
  readonly only: readonly string[];
  /** An empty folder, removed afterwards. */
  readonly scratch: string;
  /** Prints progress. */
  readonly note: (line: string) => void;
}

export interface TortureReport {
  /** The figures, for docs/reliability.md. */
  readonly lines: readonly string[];
  /** What broke a promise, with what reproduces it. Empty if all held. */
  readonly failures: readonly string[];
}

export interface Torture {
  /** What is promised, as a sentence. */
  readonly promise: string;
  /** The count of docs/reliability.md; `--count` changes it. */
  readonly count: number;
  /** True if its files need no disk: they are kept in memory where the system has a folder for that. */
  readonly inMemory?: boolean;
  run(options: TortureOptions): Promise<TortureReport>;
}
