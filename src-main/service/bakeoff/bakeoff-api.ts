/** @file The procedures of bake-offs. */
import type { Service } from '../../contract/service.ts';
import type { Jobs } from '../jobs.ts';
import type { Bakeoffs } from './bakeoffs.ts';

export const bakeoffApi = (bakeoffs: Bakeoffs, jobs: Jobs) =>
  ({
    planBakeoff: bakeoffs.plan,
    startBakeoff: ({ plan, out, queue }) => bakeoffs.start(plan, out, queue),
    resumeBakeoff: ({ dir, queue }) => bakeoffs.resume(dir, queue),
    followBakeoff: ({ id }, signal) => jobs.follow(id, signal),
    bakeoffs: bakeoffs.list,
    bakeoff: ({ dir }) => bakeoffs.view(dir),
    bakeoffReport: ({ dir, format }) => bakeoffs.report(dir, format),
  }) satisfies Partial<Service>;
