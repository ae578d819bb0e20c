/**
 * @file How a run trains when it trains with PyTorch: its processes and what they divide. settings.json of the run
 * holds it as `launch`; without it, Cambium's own engine trains the run. It names no program: a folder that came from
 * elsewhere must not choose what is started.
 */
import { z } from 'zod';

/** The engines that train a run. */
export const engineIds = ['cambium', 'torch'] as const;

/** When a consolidated checkpoint is written beside the sharded ones. `auto`: at every save of a small model. */
export const consolidations = ['auto', 'save', 'end'] as const;

export const launchSettings = z.strictObject({
  engine: z.literal('torch'),
  /** Processes: one for each GPU, or on a CPU any number. 0: all GPUs. */
  processes: z.number().int().min(0).max(1024),
  /** Processes that divide single weights among them, by transformers' plan. */
  tensorParallel: z.number().int().min(1).max(1024),
  /** Compiles the layers with torch.compile. */
  compile: z.boolean(),
  consolidate: z.enum(consolidations),
  /** US dollars of one device for an hour. */
  pricePerHour: z.number().min(0).max(1e6).exactOptional(),
});

export type LaunchSettings = Readonly<z.infer<typeof launchSettings>>;

export const launchDefaults: LaunchSettings = {
  engine: 'torch',
  processes: 0,
  tensorParallel: 1,
  compile: false,
  consolidate: 'auto',
};

/** Groups of processes that work on different sequences. */
export const dataGroupsOf = ({ processes, tensorParallel }: LaunchSettings): number =>
  Math.floor(processes / tensorParallel);
