/** @file Errors of bake-offs of growth methods. */
import type { ErrorText } from './text.ts';

export const bakeoffErrors = {
  'bakeoff/not-found': (d: { path: string }): ErrorText => [
    `there is no bake-off in ${d.path}`,
    'Give the folder that cambium bakeoff wrote.',
  ],
  'bakeoff/damaged': (d: { path: string; why: string }): ErrorText => [
    `the bake-off in ${d.path} cannot be read: ${d.why}`,
    'Restore bakeoff.json from a backup, or start a new bake-off.',
  ],
  'bakeoff/no-candidates': (d: { why: string }): ErrorText => [
    `there is nothing to compare: ${d.why}`,
    'Choose other sizes or other methods.',
  ],
  'bakeoff/already-running': (d: { path: string }): ErrorText => [
    `the bake-off in ${d.path} is already running`,
    'Follow it, or pause it first.',
  ],
  'bakeoff/few-windows': (d: { windows: number; needed: number }): ErrorText => [
    `the held-out text has ${d.windows} windows of the context length, and a comparison needs ${d.needed}`,
    'Give more text, a larger --held-out, or a shorter --context-length.',
  ],
  'bakeoff/other-text': (d: { path: string }): ErrorText => [
    `the held-out text of the bake-off in ${d.path} has changed since its first measurement`,
    'Restore the text as it was, or start a new bake-off.',
  ],
};
