/** @file What every page needs: the service, this computer's facts, and the work under way. One per window. */
import { createContext } from 'svelte';
import type { About, Device, JobCard, RunCard } from '../../src-main/contract/schema.ts';
import type { Service } from '../../src-main/contract/service.ts';

export const liveStates: readonly RunCard['state'][] = ['preparing', 'running', 'pausing'];
export interface Known { readonly dir: string; readonly name: string; readonly opened: string; readonly builtIn: boolean }

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
  readonly service: Service;
  /** Resolves when a lost connection is back. */
  readonly reconnected: () => Promise<void>;

  constructor(service: Service, reconnected: () => Promise<void>) {
    this.service = service;
    this.reconnected = reconnected;
  }

  /** Reads everything once. */
  async start(): Promise<void> {
    const [about, devices] = await Promise.all([this.service.about({}), this.service.devices({}), this.refresh()]);
    this.about = about;
    this.devices = devices;
    this.ready = true;
  }

  /** The lists that other windows and the command line change too. */
  async refresh(): Promise<void> {
    const [jobs, runs, known] = await Promise.all([this.service.jobs({}), this.service.runs({}), this.service.checkpoints({})]);
    this.jobs = jobs;
    this.runs = runs;
    this.known = known;
  }

  /** Keeps the lists fresh while the window is looked at; returns the end of it. */
  watch(): () => void {
    let idle = 0, busy = false;
    const look = (): void => {
      if (busy || document.visibilityState === 'hidden') return;
      if (this.activeRuns.length + this.activeJobs.length === 0 && ++idle < 5) return;
      idle = 0;
      busy = true;
      void this.refresh().catch(() => undefined).finally(() => { busy = false; });     // a lost connection is shown by the link itself
    };
    const now = (): void => { idle = 5; look(); };
    const timer = setInterval(look, 2000);
    document.addEventListener('visibilitychange', now);
    return () => { clearInterval(timer); document.removeEventListener('visibilitychange', now); };
  }
}

const [useSession, provideSession] = createContext<Session>();
export { useSession, provideSession };
