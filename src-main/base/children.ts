/** @file Ends child processes. */

/** The part of a child process that is used, because the std layers have no types of Node. */
export interface ChildLike {
  readonly pid?: number | undefined;
  kill(): boolean;
}

/**
 * Sends SIGTERM to a child; nothing to one that could not be spawned. Its id is 0 for a moment, and Node would send
 * the signal to every process of its own group.
 */
export function endChild(child: ChildLike): void {
  if (child.pid !== undefined) child.kill();
}
