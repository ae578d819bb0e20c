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

/** A partition, an account or an option: one word without quotes, because it goes into a script. */
const word = z
  .string()
  .regex(/^[\w.,:=@+/&|-]{1,200}$/, 'must be one word of letters, digits and . , : = @ + / & | -');

/** A job of Slurm. All of its nodes see the folder of the run. */
export const slurmSettings = z.strictObject({
  nodes: z.number().int().min(1).max(10_000),
  /** Minutes after which Slurm ends the job; it saves before, and is queued again. */
  minutes: z.number().int().min(1).max(525_600),
  partition: word.exactOptional(),
  account: word.exactOptional(),
  qos: word.exactOptional(),
  constraint: word.exactOptional(),
  /** CPU cores of each process. */
  cpus: z.number().int().min(1).max(1024).exactOptional(),
  /** Further options of sbatch. */
  options: z
    .array(z.string().regex(/^--[a-z-]+(=[\w.,:=@+/-]+)?$/, 'must be of the form --name or --name=value'))
    .max(50)
    .exactOptional(),
});
export type SlurmSettings = Readonly<z.infer<typeof slurmSettings>>;

export const launchSettings = z.strictObject({
  engine: z.literal('torch'),
  /** Processes of each node: one for each GPU, or on a CPU any number. 0: all GPUs of this computer. */
  processes: z.number().int().min(0).max(1024),
  /** Processes that divide single weights among them, by transformers' plan. */
  tensorParallel: z.number().int().min(1).max(1024),
  /** Compiles the layers with torch.compile. */
  compile: z.boolean(),
  consolidate: z.enum(consolidations),
  /** US dollars of one device for an hour. */
  pricePerHour: z.number().min(0).max(1e6).exactOptional(),
  /** Where it is queued; absent: it starts on this computer. */
  slurm: slurmSettings.exactOptional(),
});

export type LaunchSettings = Readonly<z.infer<typeof launchSettings>>;

export const launchDefaults: LaunchSettings = {
  engine: 'torch',
  processes: 0,
  tensorParallel: 1,
  compile: false,
  consolidate: 'auto',
};

/** Processes of all nodes. */
export const processesOf = ({ processes, slurm }: LaunchSettings): number => processes * (slurm?.nodes ?? 1);

/** Groups of processes that work on different sequences. */
export const dataGroupsOf = (launch: LaunchSettings): number =>
  Math.floor(processesOf(launch) / launch.tensorParallel);
