/** @file Keeps the computer from sleeping while a run or a job is at work. The display may still turn off. */
import { powerSaveBlocker } from 'electron';
import { collectNotices, isAtWork, type Seen } from '../../contract/notices.ts';
import type { Service } from '../../contract/service.ts';

/** Follows the activity of the service. */
export async function keepAwake(api: Pick<Service, 'activity'>): Promise<void> {
  let seen: Seen = { jobs: [], runs: [] };
  let blocker: number | undefined;
  for await (const activity of api.activity({})) {
    ({ seen } = collectNotices(seen, activity));
    if (isAtWork(seen)) blocker ??= powerSaveBlocker.start('prevent-app-suspension');
    else if (blocker !== undefined) {
      powerSaveBlocker.stop(blocker);
      blocker = undefined;
    }
  }
}
