/**
 * @file The activity feed: polls jobs, runs and checkpoints once for all listeners, and sends each the changes.
 * Without listeners nothing is polled.
 */
import { createQueue, type Queue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import { activeStates, type Activity, type KnownCheckpoint } from '../contract/activity.ts';
import type { DeviceQueue } from '../contract/queue.ts';
import type { JobSummary, RunSummary } from '../contract/schema.ts';

export interface ActivitySources {
  jobs(): readonly JobSummary[];
  runs(): Promise<readonly RunSummary[]>;
  /** Reads one run again. */
  run(id: string): Promise<RunSummary>;
  checkpoints(): Promise<readonly KnownCheckpoint[]>;
  queue(): Promise<readonly DeviceQueue[]>;
}

/**
 * Milliseconds between two polls of the active jobs and runs, and between two polls of everything, which finds
 * the runs that other processes start.
 */
const activeInterval = 500;
const fullInterval = 4000;

const isChanging = ({ state }: RunSummary): boolean => activeStates.includes(state) || state === 'waiting';

interface Listener {
  readonly events: Queue<Activity>;
  /** What was sent last, as JSON. */
  jobs: string;
  checkpoints: string;
  queue: string;
  runs: ReadonlyMap<string, string>;
}

/** The JSON of each summary. A summary that did not change since the last poll is the same object. */
const jsonCache = new WeakMap<object, string>();
function toJson(value: object): string {
  const json = jsonCache.get(value) ?? JSON.stringify(value);
  jsonCache.set(value, json);
  return json;
}

/**
 * Returns a function that subscribes a listener: its first event has everything, the later ones only changes.
 * If a list cannot be read, the next poll tries again.
 */
export function createActivityFeed(
  sources: ActivitySources,
): (signal?: AbortSignalLike) => AsyncIterable<Activity> {
  const listeners = new Set<Listener>();
  let runs: readonly RunSummary[] = [];
  let checkpoints: readonly KnownCheckpoint[] = [];
  let queue: readonly DeviceQueue[] = [];
  let lastFullPoll = 0;
  let polling: Promise<void> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const sendChanges = (): void => {
    const jobs = sources.jobs();
    const latest = {
      jobs: JSON.stringify(jobs),
      checkpoints: toJson(checkpoints),
      queue: JSON.stringify(queue),
      runs: new Map(runs.map((run) => [run.id, toJson(run)])),
    };
    for (const listener of listeners) {
      const changed = runs.filter((run) => listener.runs.get(run.id) !== latest.runs.get(run.id));
      const gone = [...listener.runs.keys()].filter((id) => !latest.runs.has(id));
      const activity: Activity = {
        ...(listener.jobs === latest.jobs ? {} : { jobs }),
        ...(listener.checkpoints === latest.checkpoints ? {} : { checkpoints }),
        ...(listener.queue === latest.queue ? {} : { queue }),
        ...(changed.length > 0 ? { runs: changed } : {}),
        ...(gone.length > 0 ? { gone } : {}),
      };
      Object.assign(listener, latest);
      if (Object.keys(activity).length > 0) listener.events.push(activity);
    }
  };

  const pollAll = async (): Promise<void> => {
    [runs, checkpoints, queue] = await Promise.all([sources.runs(), sources.checkpoints(), sources.queue()]);
    lastFullPoll = Date.now();
  };
  const pollActive = async (): Promise<void> => {
    const read = (run: RunSummary): RunSummary | Promise<RunSummary> =>
      isChanging(run) ? sources.run(run.id).catch(() => run) : run;
    [runs, queue] = await Promise.all([Promise.all(runs.map(read)), sources.queue()]);
  };
  const pollOnce = async (): Promise<void> => {
    const isFull = Date.now() - lastFullPoll >= fullInterval;
    await (isFull ? pollAll() : pollActive());
    sendChanges();
  };
  /** Polls now, or joins the poll that is under way, and schedules the next one. */
  const poll = (): Promise<void> => {
    polling ??= pollOnce()
      .catch(() => undefined)
      .finally(() => {
        polling = undefined;
        clearTimeout(timer);
        if (listeners.size > 0)
          timer = setTimeout(() => {
            void poll();
          }, activeInterval);
      });
    return polling;
  };

  return (signal) => {
    const events = createQueue<Activity>(() => {
      listeners.delete(listener);
    });
    const listener: Listener = { events, jobs: '', checkpoints: '', queue: '', runs: new Map() };
    listeners.add(listener);
    signal?.addEventListener(
      'abort',
      () => {
        void events.return?.();
      },
      { once: true },
    );
    // The first event of a new listener is up to date.
    lastFullPoll = 0;
    void (polling ?? Promise.resolve()).then(poll);
    return events;
  };
}
