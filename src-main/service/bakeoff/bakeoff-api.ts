/** @file The procedures of bake-offs. */
import type { Service } from '../../contract/service.ts';
import type { Jobs } from '../jobs.ts';
import type { Bakeoffs } from './bakeoffs.ts';

export const bakeoffApi = (bakeoffs: Bakeoffs, jobs: Jobs) =>
  ({
    planBakeoff: bakeoffs.plan,
    startBakeoff: ({ plan, out }) => bakeoffs.start(plan, out),
    resumeBakeoff: ({ dir }) => bakeoffs.resume(dir),
    followBakeoff: ({ id }, signal) => jobs.follow(id, signal),
    bakeoffs: bakeoffs.list,
    bakeoff: ({ dir }) => bakeoffs.view(dir),
    bakeoffReport: ({ dir, format }) => bakeoffs.report(dir, format),
  }) satisfies Partial<Service>;
