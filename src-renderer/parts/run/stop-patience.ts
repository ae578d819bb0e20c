/** Milliseconds after which a run that has not paused can be stopped at once. */
export const stopPatience = 8000;
