/**
 * @file Watches jobs, runs and checkpoints for everybody at once: one look serves all who listen, and nobody
 * listening costs nothing.
 */
import { queue, type Queue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import { liveStates, type Activity, type Known } from '../contract/activity.ts';
import type { JobCard, RunCard } from '../contract/schema.ts';

/** Where the lists come from. */
export interface ActivitySources {
  jobs(): readonly JobCard[];
  runs(): Promise<readonly RunCard[]>;
  /** A run as it is now. */
  run(id: string): Promise<RunCard>;
  checkpoints(): Promise<readonly Known[]>;
}

/**
 * Between two looks at what is under way, and at everything (other processes start runs too), in
 * milliseconds.
 */
const soon = 500;
const seldom = 4000;

interface Listener {
  readonly events: Queue<Activity>;
  jobs: string;
  checkpoints: string;
  runs: ReadonlyMap<string, string>;
}

/** Cards as text, each once: one that did not change since the last look is the same object. */
const texts = new WeakMap<object, string>();
function textOf(card: object): string {
  const text = texts.get(card) ?? JSON.stringify(card);
  texts.set(card, text);
  return text;
}

/**
 * Everything, then what changes, until the listener leaves. A list that cannot be read is tried again at the
 * next look.
 */
export function createActivity(
  sources: ActivitySources,
): (signal?: AbortSignalLike) => AsyncIterable<Activity> {
  const listeners = new Set<Listener>();
  let runs: readonly RunCard[] = [];
  let known: readonly Known[] = [];
  let whole = 0;
  let looking: Promise<void> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const tell = (): void => {
    const jobs = sources.jobs();
    const jobsNow = JSON.stringify(jobs);
    const knownNow = textOf(known);
    const runsNow = new Map(runs.map((run) => [run.id, textOf(run)]));
    for (const listener of listeners) {
      const changed = runs.filter((run) => listener.runs.get(run.id) !== runsNow.get(run.id));
      const gone = [...listener.runs.keys()].filter((id) => !runsNow.has(id));
      const activity: Activity = {
        ...(listener.jobs === jobsNow ? {} : { jobs }),
        ...(listener.checkpoints === knownNow ? {} : { checkpoints: known }),
        ...(changed.length > 0 ? { runs: changed } : {}),
        ...(gone.length > 0 ? { gone } : {}),
      };
      Object.assign(listener, { jobs: jobsNow, checkpoints: knownNow, runs: runsNow });
      if (Object.keys(activity).length > 0) listener.events.push(activity);
    }
  };
  const look = async (): Promise<void> => {
    if (Date.now() - whole >= seldom) {
      [runs, known] = await Promise.all([sources.runs(), sources.checkpoints()]);
      whole = Date.now();
    } else
      runs = await Promise.all(
        runs.map((run) => (liveStates.includes(run.state) ? sources.run(run.id).catch(() => run) : run)),
      );
    tell();
  };
  const lookAgain = (): Promise<void> =>
    (looking ??= look()
      .catch(() => undefined)
      .finally(() => {
        looking = undefined;
        clearTimeout(timer);
        if (listeners.size > 0)
          timer = setTimeout(() => {
            void lookAgain();
          }, soon);
      }));

  return (signal) => {
    const listener: Listener = {
      events: queue<Activity>(() => {
        listeners.delete(listener);
      }),
      jobs: '',
      checkpoints: '',
      runs: new Map(),
    };
    listeners.add(listener);
    signal?.addEventListener(
      'abort',
      () => {
        void listener.events.return?.();
      },
      { once: true },
    );
    whole = 0; // who comes is told everything, as it is now
    void (looking ?? Promise.resolve()).then(lookAgain);
    return listener.events;
  };
}
