/** @file The jobs of the fake service. */
import type { JobSummary } from '../../../src-main/contract/schema.ts';

export interface FakeJobs {
  readonly list: readonly JobSummary[];
  start(kind: JobSummary['kind'], title: string): JobSummary;
  find(id: string): JobSummary;
  setState(id: string, state: JobSummary['state']): void;
}

export function createFakeJobs(): FakeJobs {
  const list: JobSummary[] = [];
  const indexOf = (id: string): number => list.findIndex((job) => job.id === id);
  return {
    list,
    start(kind, title) {
      const id = `job-${list.length + 1}`;
      const job: JobSummary = { id, kind, title, state: 'running', started: new Date().toISOString() };
      list.push(job);
      return job;
    },
    find: (id) => list[indexOf(id)]!,
    setState(id, state) {
      list[indexOf(id)] = { ...list[indexOf(id)]!, state };
    },
  };
}
