/** @file A process that works until it is killed, and says when each work begins and ends. */
import { operations, type Place, type Progress } from '../operations/operation.ts';

export interface VictimOrder {
  readonly operation: string;
  readonly place: Place;
  readonly progress: Progress;
}
export type VictimMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'begun'; readonly n: number }
  | { readonly type: 'done'; readonly n: number }
  | { readonly type: 'failed'; readonly message: string };

/** Resolves when the message is in the pipe, where the parent finds it even if this process dies. */
const tell = (message: VictimMessage): Promise<void> =>
  new Promise((resolve) => {
    process.send!(message, () => {
      resolve();
    });
  });

const { operation, place, progress } = JSON.parse(process.argv[2]!) as VictimOrder;
const { work } = await operations[operation]!();
let { begun, done, completed } = progress;
process.once('disconnect', () => process.exit());
await tell({ type: 'ready' });
try {
  for (;;) {
    begun++;
    await tell({ type: 'begun', n: begun });
    await work(place, { begun, done, completed });
    done = begun;
    completed++;
    await tell({ type: 'done', n: done });
  }
} catch (error) {
  await tell({
    type: 'failed',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  process.exit(1);
}
