/**
 * @file How a run trains when it trains with PyTorch: its processes and what they divide. settings.json of the run
 * holds it as `launch`; without it, Cambium's own engine trains the run.
 */
import { z } from 'zod';

/** When a consolidated checkpoint is written beside the sharded ones. `auto`: at every save of a small model. */
export const consolidations = ['auto', 'save', 'end'] as const;
export type Consolidation = (typeof consolidations)[number];

/** A path that is an argument of a command. */
const commandPath = z.string().regex(/^(?!-)[^\0-\x1f]{1,4096}$/, 'is a path without line breaks');

export const launchSettings = z.strictObject({
  engine: z.literal('torch'),
  /** Processes: one for each GPU, or on a CPU any number. */
  processes: z.number().int().min(1).max(1024),
  /** Processes that divide single weights among them, by transformers' plan. */
  tensorParallel: z.number().int().min(1).max(1024),
  /** Compiles the layers with torch.compile. */
  compile: z.boolean(),
  consolidate: z.enum(consolidations),
  /** Python with torch; absent: CAMBIUM_PYTHON, or what `cambium torch install` installed. */
  python: commandPath.exactOptional(),
  /** US dollars of one device for an hour. */
  pricePerHour: z.number().min(0).max(1e6).exactOptional(),
});

export type LaunchSettings = z.infer<typeof launchSettings>;

/** Groups of processes that work on different sequences. */
export const dataGroupsOf = ({ processes, tensorParallel }: LaunchSettings): number =>
  Math.floor(processes / tensorParallel);
