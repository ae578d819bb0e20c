/**
 * @file What every page needs: the service, this computer's facts, and the work under way. One per window.
 */
import { createContext } from 'svelte';
import { liveStates, runsAfter, type Activity, type Known } from '../../src-main/contract/activity.ts';
import type { About, Device, JobCard, RunCard } from '../../src-main/contract/schema.ts';
import type { Service } from '../../src-main/contract/service.ts';
import { progressOf } from '../../src-main/contract/notices.ts';
import { Notices } from './notices.svelte.ts';

export class Session {
  about = $state.raw<About | null>(null);
  devices = $state.raw<readonly Device[]>([]);
  jobs = $state.raw<readonly JobCard[]>([]);
  runs = $state.raw<readonly RunCard[]>([]);
  known = $state.raw<readonly Known[]>([]);
  /** Whether the lists above have been read once. */
  ready = $state(false);
  activeRuns = $derived(this.runs.filter((run) => liveStates.includes(run.state)));
  activeJobs = $derived(this.jobs.filter((job) => job.state === 'running'));
  /** How far the runs under way are. */
  progress = $derived(progressOf(this));
  readonly notices = new Notices();
  readonly service: Service;
  /** Resolves when a lost connection is back. */
  readonly reconnected: () => Promise<void>;

  constructor(service: Service, reconnected: () => Promise<void>) {
    this.service = service;
    this.reconnected = reconnected;
  }

  /** Reads everything once. */
  async start(): Promise<void> {
    const [about, devices] = await Promise.all([
      this.service.about({}),
      this.service.devices({}),
      this.refresh(),
    ]);
    this.about = about;
    this.devices = devices;
    this.ready = true;
  }

  /** The lists that other windows and the command line change too. */
  async refresh(): Promise<void> {
    const [jobs, runs, known] = await Promise.all([
      this.service.jobs({}),
      this.service.runs({}),
      this.service.checkpoints({}),
    ]);
    this.jobs = jobs;
    this.runs = runs;
    this.known = known;
  }

  /** Keeps the lists fresh, over every connection; returns the end of it. */
  watch(): () => void {
    const aborter = new AbortController();
    const follow = async (): Promise<void> => {
      while (!aborter.signal.aborted) {
        try {
          for await (const activity of this.service.activity({}, aborter.signal)) this.#take(activity);
        } catch {
          /* a lost connection is shown by the link itself */
        }
        if (!aborter.signal.aborted)
          await Promise.all([
            this.reconnected(),
            new Promise((resolve) => {
              setTimeout(resolve, 500);
            }),
          ]);
      }
    };
    void follow();
    return () => {
      aborter.abort();
    };
  }

  #take(activity: Activity): void {
    if (activity.jobs) this.jobs = activity.jobs;
    if (activity.checkpoints) this.known = activity.checkpoints;
    this.runs = runsAfter(this.runs, activity);
    if (this.about?.desktop === false) this.notices.take(activity);
  }
}

const [useSession, provideSession] = createContext<Session>();
export { useSession, provideSession };
