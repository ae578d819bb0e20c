/**
 * @file The CUDA provider as the person installs it: what is there, what is missing, and the work of bringing
 * it.
 */
import { z } from 'zod';
import { path } from './schema.ts';

/**
 * A library that CUDA asks the system for; `carrier` is the package that brings it, null for the driver's.
 */
export interface NativeLibrary {
  readonly name: string;
  readonly found: boolean;
  readonly carrier: string | null;
}

export interface GpuStatus {
  /** Whether there is a CUDA provider for this platform at all. */
  readonly possible: boolean;
  /** The version of ONNX Runtime that it must be of. */
  readonly needed: string;
  readonly folder: string;
  /**
   * What is installed: null for nothing. `current` is false where it is of another version, or files are
   * missing.
   */
  readonly installed: {
    readonly runtime: string;
    readonly current: boolean;
    readonly files: readonly { readonly name: string; readonly bytes: number }[];
    readonly time: string;
  } | null;
  readonly libraries: readonly NativeLibrary[];
  /** Packages that bring what is missing. */
  readonly packages: readonly string[];
}

/** From wheels that are here, or from a package index; `cuda`: NVIDIA's libraries too. */
export const gpuInstall = z.object({
  files: z.array(path).max(50).optional(),
  index: z.url({ protocol: /^https?$/ }).optional(),
  cuda: z.boolean(),
});
export type GpuInstall = z.infer<typeof gpuInstall>;

export type GpuEvent =
  | {
      readonly at: 'downloading' | 'unpacking';
      readonly what: string;
      readonly done: number;
      readonly of: number;
    }
  | { readonly at: 'done'; readonly status: GpuStatus };
