/** @file A job: the processes that train a run, however they were started. */

/** How a job ended; `code` is null if it was ended from outside. */
export interface JobEnd {
  readonly code: number | null;
  /** What ended it, such as `exit code 3`. */
  readonly how: string;
}

export interface Job {
  readonly ended: Promise<JobEnd>;
  /** Called once when the run is asked to stop. True if the job ends without a trainer that could answer. */
  onStopRequested(): Promise<boolean>;
  /** Called when nobody follows the job any more. */
  leave(): void;
}
