/** @file Views of runs from events. */
import type { RunEvent } from '../../src-main/contract/schema.ts';
import { RunView } from '../../src-renderer/state/run-view.svelte.ts';

/** A view that has drawn these events. */
export function createView(events: readonly RunEvent[]): RunView {
  const view = new RunView(() => {
    /* drawn by flush */
  });
  for (const event of events) view.add(event);
  view.flush();
  return view;
}
