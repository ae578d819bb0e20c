/** @file What every page needs: the service, the devices, and the current jobs, runs and checkpoints. */
import { createContext } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import {
  activeStates,
  mergeRuns,
  type Activity,
  type KnownCheckpoint,
} from '../../src-main/contract/activity.ts';
import type { DeviceQueue } from '../../src-main/contract/queue.ts';
import type { About, Device, Folder, JobSummary, RunSummary } from '../../src-main/contract/schema.ts';
import type { Service } from '../../src-main/contract/service.ts';
import { averageProgress } from '../../src-main/contract/notices.ts';
import type { TrainingState } from './training.svelte.ts';
import {
  appSettingDefaults,
  type AppSettingChange,
  type AppSettings,
} from '../../src-main/contract/app-settings.ts';
import { Notifications } from './notifications.svelte.ts';

/** Milliseconds before a lost activity stream is opened again. */
const retryDelay = 500;

export class Session {
  about = $state.raw<About | null>(null);
  settings = $state.raw<AppSettings>(appSettingDefaults);
  devices = $state.raw<readonly Device[]>([]);
  jobs = $state.raw<readonly JobSummary[]>([]);
  runs = $state.raw<readonly RunSummary[]>([]);
  checkpoints = $state.raw<readonly KnownCheckpoint[]>([]);
  /** The runs that wait for each device. */
  queue = $state.raw<readonly DeviceQueue[]>([]);
  /** False while the server cannot be reached: what is shown may be out of date. */
  isConnected = $state(true);
  /** True once everything above was read. */
  isReady = $state(false);
  activeRuns = $derived(this.runs.filter((run) => activeStates.includes(run.state)));
  waitingRuns = $derived(this.runs.filter((run) => run.state === 'waiting'));
  activeJobs = $derived(this.jobs.filter((job) => job.state === 'running'));
  progress = $derived(averageProgress(this));
  /** Training forms by checkpoint, so that going back does not lose what was entered. */
  readonly trainingDrafts = new SvelteMap<string, TrainingState>();
  readonly notifications = new Notifications();
  readonly service: Service;
  /** Resolves when a lost connection is open again. */
  readonly reconnected: () => Promise<void>;

  constructor(service: Service, reconnected: () => Promise<void>) {
    this.service = service;
    this.reconnected = reconnected;
  }

  async load(): Promise<void> {
    const [about, settings, devices] = await Promise.all([
      this.service.about({}),
      this.service.appSettings({}),
      this.service.devices({}),
      this.refresh(),
    ]);
    this.about = about;
    this.settings = settings;
    this.notifications.connect(settings.notifications, (notifications) =>
      this.changeSettings({ notifications }),
    );
    this.devices = devices;
    this.isReady = true;
  }

  /** Changes settings of the app on the server. */
  async changeSettings(change: AppSettingChange): Promise<void> {
    this.settings = await this.service.changeAppSettings(change);
  }

  /** Lists a folder of the computer that the service is on; without `dir` its usual places. */
  readonly browse = (dir?: string): Promise<Folder> =>
    this.service.listFolder(dir === undefined ? {} : { dir });

  /** Reads the jobs, runs, checkpoints and queues again. */
  async refresh(): Promise<void> {
    const [jobs, runs, checkpoints, queue] = await Promise.all([
      this.service.jobs({}),
      this.service.runs({}),
      this.service.checkpoints({}),
      this.service.queue({}),
    ]);
    this.jobs = jobs;
    this.runs = runs;
    this.checkpoints = checkpoints;
    this.queue = queue;
  }

  /** Keeps the lists up to date across lost connections. The returned function stops it. */
  watch(): () => void {
    const aborter = new AbortController();
    const { signal } = aborter;
    const follow = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          for await (const activity of this.service.activity({}, signal)) this.#update(activity);
        } catch {
          /* the page shows a lost connection */
        }
        const delay = new Promise((resolve) => {
          setTimeout(resolve, retryDelay);
        });
        if (!signal.aborted) await Promise.all([this.reconnected(), delay]);
      }
    };
    void follow();
    return () => {
      aborter.abort();
    };
  }

  #update(activity: Activity): void {
    if (activity.jobs) this.jobs = activity.jobs;
    if (activity.checkpoints) this.checkpoints = activity.checkpoints;
    if (activity.queue) this.queue = activity.queue;
    this.runs = mergeRuns(this.runs, activity);
    if (this.about?.desktop === false) this.notifications.update(activity);
  }
}

const [useSession, provideSession] = createContext<Session>();
export { useSession, provideSession };
