/** @file The schemas of answers about a computer: devices, folders, checks, and what is installed. */
import '../no-eval.ts';
import { z } from 'zod';
import type { NativeLibrary, GpuEvent, GpuStatus } from '../gpu.ts';
import type { About, Check, Device, Folder } from '../responses.ts';
import type { TorchEvent, TorchStatus } from '../torch.ts';
import { count, deviceKind, number, text, texts } from './shared-schemas.ts';
import { exactly } from './exact.ts';

export const about = exactly<About>()(
  z.object({
    version: text,
    home: text,
    demo: text,
    platform: text,
    node: text,
    desktop: z.boolean(),
  }),
);

export const device = exactly<Device>()(
  z.object({
    id: deviceKind,
    name: text,
    available: z.boolean(),
    software: z.boolean().exactOptional(),
    why: text.exactOptional(),
    memory: number.nullable(),
    free: number.nullable(),
    count: count.exactOptional(),
  }),
);

export const check = exactly<Check>()(
  z.object({
    what: text,
    ok: z.boolean(),
    found: text,
    remedy: text.exactOptional(),
    optional: z.boolean().exactOptional(),
  }),
);

const library = exactly<NativeLibrary>()(
  z.object({
    name: text,
    found: z.boolean(),
    carrier: text.nullable(),
    optional: z.boolean().exactOptional(),
    why: text.exactOptional(),
  }),
);

export const gpuStatus = exactly<GpuStatus>()(
  z.object({
    possible: z.boolean(),
    needed: text,
    folder: text,
    installed: z
      .object({
        runtime: text,
        current: z.boolean(),
        files: z.array(z.object({ name: text, bytes: number })),
        time: text,
      })
      .nullable(),
    libraries: z.array(library),
    packages: texts,
  }),
);

export const gpuEvent = exactly<GpuEvent>()(
  z.union([
    z.object({ type: z.enum(['downloading', 'unpacking']), what: text, done: number, of: number }),
    z.object({ type: z.literal('done'), status: gpuStatus }),
  ]),
);

export const torchStatus = exactly<TorchStatus>()(
  z.object({
    command: text,
    isChosen: z.boolean(),
    found: z.object({ python: text, packages: z.record(text, text), missing: texts, gpus: texts }).nullable(),
  }),
);

export const torchEvent = exactly<TorchEvent>()(
  z.union([
    z.object({ type: z.literal('progress'), what: text }),
    z.object({ type: z.literal('done'), status: torchStatus }),
  ]),
);

const folderEntry = z.object({
  name: text,
  path: text,
  folder: z.boolean(),
  bytes: count,
  checkpoint: z.boolean(),
});
export const folder = exactly<Folder>()(
  z.object({ path: text, parent: text.nullable(), entries: z.array(folderEntry) }),
);
