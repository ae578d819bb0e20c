/** @file Where the work that waits in a queue is shown. */
import type { QueueEntry } from '../../src-main/contract/queue.ts';
import { linkTo } from './route.svelte.ts';

/** The page of what waits. */
export const linkToWork = ({ kind, dir }: QueueEntry): string =>
  kind === 'run'
    ? linkTo('run', { id: dir })
    : linkTo(kind === 'bakeoff' ? 'bakeoff-report' : 'tuning', { dir });
