/** @file Requests and status of the CUDA provider, which the user installs separately. */
import { z } from 'zod';
import { path } from './schema.ts';

/** A system library that CUDA needs. `carrier` is the package that contains it; null for the driver. */
export interface NativeLibrary {
  readonly name: string;
  readonly found: boolean;
  readonly carrier: string | null;
  /** True if only operators that Cambium does not use need it. */
  readonly optional?: boolean;
  /** Why a library that exists does not count as found, such as a driver that is too old. */
  readonly why?: string;
}

/** The libraries that are needed and not found. */
export const missingLibraries = (libraries: readonly NativeLibrary[]): readonly NativeLibrary[] =>
  libraries.filter((library) => !library.found && library.optional !== true);

export interface GpuStatus {
  /** True if a CUDA provider exists for this platform. */
  readonly possible: boolean;
  /** The version of ONNX Runtime that the provider must have. */
  readonly needed: string;
  readonly folder: string;
  /** Null if nothing is installed. `current` is false if the version differs or files are missing. */
  readonly installed: {
    readonly runtime: string;
    readonly current: boolean;
    readonly files: readonly { readonly name: string; readonly bytes: number }[];
    readonly time: string;
  } | null;
  readonly libraries: readonly NativeLibrary[];
  /** The packages that contain the missing libraries. */
  readonly packages: readonly string[];
}

/** Installs from local wheels (`files`) or from a package index. `cuda` includes the libraries of NVIDIA. */
export const gpuInstall = z.object({
  files: z.array(path).max(50).optional(),
  index: z.url({ protocol: /^https?$/ }).optional(),
  cuda: z.boolean(),
});
export type GpuInstall = z.infer<typeof gpuInstall>;

export type GpuEvent =
  | {
      readonly type: 'downloading' | 'unpacking';
      readonly what: string;
      readonly done: number;
      readonly of: number;
    }
  | { readonly type: 'done'; readonly status: GpuStatus };
