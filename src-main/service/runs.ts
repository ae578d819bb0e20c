/**
 * @file Training runs: each has a folder, which is the truth, and while it trains an engine of its own, which
 * outlives windows and tabs.
 */
import { basename, join } from 'node:path';
import { AppError, dataOf, refuse } from '../base/errors.ts';
import { queue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import { liveStates } from '../contract/activity.ts';
import type { DecayRequest, ResumeRequest, RunCard, RunEvent, TrainingRequest } from '../contract/schema.ts';
import { openCheckpoint } from '../store/checkpoint/checkpoint.ts';
import { exists } from '../store/fs/files.ts';
import { filesOf } from '../store/data/sources.ts';
import { followEvents } from '../store/run/events.ts';
import {
  changeSettings,
  claimRun,
  closeRun,
  createRun,
  isRun,
  requestDecay,
  requestStop,
  runCard,
} from '../store/run/runs.ts';
import { controllerOf } from '../store/fs/signals.ts';
import type { RunSettings } from '../train/run.ts';
import { decaying, extended, isDecaying, tokensPerStep } from '../train/schedule.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { adviceOn } from './advice.ts';
import { withEngine } from './engines.ts';
import { absolute, type Place } from './dependencies.ts';

/** Runs whose engine belongs to this process, until it is gone. */
export interface Runs {
  start(request: TrainingRequest): Promise<RunCard>;
  /** Goes on; with `tokens` to that total. */
  resume(request: ResumeRequest): Promise<RunCard>;
  /** Lets the learning rate fall from here, over `steps` steps to the run's end. */
  decay(request: DecayRequest): Promise<RunCard>;
  /** Asks the run to stop and save, and waits until it has. */
  stop(id: string): Promise<RunCard>;
  list(): Promise<readonly RunCard[]>;
  card(id: string): Promise<RunCard>;
  running(): number;
  /** Stops and saves every run of this process. */
  stopAll(): Promise<void>;
}

const active = new Set(liveStates);

/** The folder of a run given by its path, its id or its folder's name. */
export async function runFolder(place: Place, id: string): Promise<string> {
  const path = absolute(id);
  if (await isRun(path)) return path;
  const known = (await place.home.runs()).filter((dir) => basename(dir) === id);
  for (const dir of known) if (await isRun(dir)) return dir;
  return refuse('run/not-found', { run: id });
}

export interface RunsOptions {
  /** Engines go on when this process ends. */
  readonly detached?: boolean;
  /** Told of a new run before its engine starts; what it cannot do holds nothing up. */
  readonly begun?: (dir: string, request: TrainingRequest) => Promise<void>;
}

/**
 * A run's settings with others that spare memory. Where something is saved, an update must stay over the same
 * sequences, because it is by them that the run knows where it is.
 */
function spared(
  { settings, savedStep }: RunCard,
  spare: NonNullable<ResumeRequest['spare']>,
): TrainingSettings {
  const given = Object.fromEntries(
    Object.entries(spare).filter(([, value]) => value !== undefined),
  ) as Partial<TrainingSettings>;
  const next: TrainingSettings = { ...settings, ...given };
  const each = (s: TrainingSettings): number => s.batch * s.accumulate;
  if (savedStep === null || (next.sequence === settings.sequence && each(next) === each(settings)))
    return next;
  return next.sequence === settings.sequence
    ? refuse('run/bad-setting', {
        setting: 'batch times accumulate',
        why: `must stay ${each(settings)}, because an update of this run is over so many sequences`,
      })
    : refuse('run/bad-setting', {
        setting: 'sequence',
        why: `must stay ${settings.sequence} once a run has saved a step`,
      });
}

export function createRuns(place: Place, { detached = false, begun }: RunsOptions = {}): Runs {
  const engines = new Map<string, Promise<void>>();
  /** Those that have told their end, and are only letting go of memory and folder. */
  const leaving = new Set<string>();

  /**
   * Trains the run in the background, once it is claimed. An engine that died without a last line gets one,
   * so that whoever follows hears of it.
   */
  const launch = (dir: string, claimed: Promise<void>): void => {
    const train = (): Promise<void> =>
      withEngine(place.processes, { log: join(dir, 'log.txt'), detached }, async (engine) => {
        for await (const event of engine.train({ run: dir })) if (event.at === 'stopped') leaving.add(dir);
      });
    const close = async (thrown: unknown): Promise<void> => {
      const { step } = await runCard(dir);
      leaving.add(dir);
      await closeRun(dir, {
        at: 'stopped',
        step,
        reason: 'failed',
        error: await adviceOn(dir, dataOf(thrown)),
        time: new Date().toISOString(),
      });
    };
    // What cannot be written into the run's folder is seen as `interrupted` by whoever looks.
    const work = claimed
      .then(() => train().catch(close))
      .catch(() => undefined)
      .finally(() => {
        engines.delete(dir);
        leaving.delete(dir);
      });
    engines.set(dir, work);
  };

  /** True when a stop was asked and nothing of the run is left running. */
  const settled = async (dir: string): Promise<void> => {
    await engines.get(dir);
    for (let wait = 20; active.has((await runCard(dir)).state); wait = Math.min(1000, wait * 1.5))
      await new Promise((resolve) => {
        setTimeout(resolve, wait);
      });
  };

  /**
   * Makes the folder of a new run; without a wish of its own under the next free name, which another process
   * may take first.
   */
  const made = async (
    out: string | undefined,
    name: string,
    make: (dir: string) => Promise<unknown>,
  ): Promise<string> => {
    const dir = out !== undefined ? absolute(out) : await place.home.newRunDir(name);
    try {
      await make(dir);
    } catch (error) {
      if (out === undefined && error instanceof AppError && error.code === 'file/exists')
        return made(out, name, make);
      throw error;
    }
    return dir;
  };

  /** The run as it is; of one whose engine is only leaving, as it is once that has gone. */
  const standing = async (id: string): Promise<RunCard> => {
    const dir = await runFolder(place, id);
    if (leaving.has(dir)) await settled(dir);
    return runCard(dir);
  };

  /** Claims the run, changes its settings where there are new ones, and trains. */
  const goOn = async ({ dir, state }: RunCard, settings?: TrainingSettings): Promise<RunCard> => {
    if (active.has(state) || engines.has(dir)) refuse('run/already-running', { run: basename(dir) });
    const claimed = claimRun(dir).then(() => (settings ? changeSettings(dir, settings) : undefined));
    // Registered before anything is awaited: two resumes at once must not start two engines.
    launch(dir, claimed);
    await claimed;
    await place.home.rememberRun(dir);
    return runCard(dir);
  };

  return {
    async start(request) {
      const checkpoint = absolute(request.checkpoint);
      const data = request.data.map(absolute);
      const { card } = await openCheckpoint(checkpoint);
      for (const path of data) await filesOf(path);
      const name =
        request.name?.trim() || (request.out !== undefined ? basename(absolute(request.out)) : card.name);
      const dir = await made(request.out, name, (path) =>
        createRun(path, { checkpoint, data, ...readingOf(request), settings: request.settings, name }),
      );
      await place.home.rememberRun(dir);
      launch(dir, begun?.(dir, { ...request, checkpoint, data }).catch(() => undefined) ?? Promise.resolve());
      return runCard(dir);
    },

    async resume({ id, tokens, rewarm, spare }) {
      const card = await standing(id);
      const { state, steps } = card;
      const settings = spared(card, spare ?? {});
      const done = (card.savedStep ?? 0) * tokensPerStep(settings);
      if (state === 'finished' && tokens === undefined)
        refuse('run/finished', { run: basename(card.dir), steps });
      if (tokens !== undefined && tokens <= done)
        refuse('run/fewer-tokens', { run: basename(card.dir), asked: tokens, done });
      return goOn(
        card,
        tokens === undefined
          ? spare && settings
          : extended(
              settings,
              card.savedStep ?? 0,
              tokens,
              rewarm ?? (state === 'finished' ? settings.rewarm : 0),
            ),
      );
    },

    async decay({ id, steps }) {
      const card = await standing(id);
      if (card.state === 'finished') refuse('run/finished', { run: basename(card.dir), steps: card.steps });
      if (isDecaying(card.settings)) refuse('run/decaying', { run: basename(card.dir), steps: card.steps });
      if (!active.has(card.state)) return goOn(card, decaying(card.settings, card.savedStep ?? 0, steps));
      await requestDecay(card.dir, steps);
      return runCard(card.dir);
    },

    async stop(id) {
      const dir = await runFolder(place, id);
      const { state } = await runCard(dir);
      if (!active.has(state)) refuse('run/not-running', { run: basename(dir), state });
      await requestStop(dir);
      await settled(dir);
      return runCard(dir);
    },

    async list() {
      const cards = await Promise.all(
        (await place.home.runs()).map((dir) => runCard(dir).catch(() => undefined)),
      );
      return cards.filter((card) => card !== undefined);
    },

    card: async (id) => runCard(await runFolder(place, id)),
    running: () => engines.size,

    async stopAll() {
      await Promise.all(
        [...engines].map(async ([dir, over]) => {
          await requestStop(dir).catch(() => undefined);
          await over;
        }),
      );
    },
  };
}

/** How a run's text is read, where that was said. */
const readingOf = ({ weights, field }: TrainingRequest): Pick<RunSettings, 'weights' | 'field'> => ({
  ...(weights ? { weights } : {}),
  ...(field === undefined ? {} : { field }),
});

/** The run's file from line `from` on, then live, until it stops. */
export function followRun(
  place: Place,
  { id, from, offset }: { readonly id: string; readonly from: number; readonly offset?: number | undefined },
  signal?: AbortSignalLike,
): AsyncIterable<RunEvent> {
  const stop = controllerOf(signal);
  const events = queue<RunEvent>(() => {
    stop.abort();
  });
  void (async () => {
    for await (const event of followEvents(await runFolder(place, id), from, { signal: stop.signal, offset }))
      events.push(event);
  })().then(events.end, events.fail);
  return events;
}

/** The folder to read a model from: a run's own folder, or a checkpoint's. */
export async function modelFolder(place: Place, id: string): Promise<string> {
  const path = absolute(id);
  return (await exists(path)) ? path : runFolder(place, id);
}
