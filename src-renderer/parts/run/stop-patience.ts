/** @file How long the page waits for a pause before it offers to stop the run at once. */

/** Milliseconds after which a run that has not paused can be stopped at once. */
export const stopPatience = 8000;
