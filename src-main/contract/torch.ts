/** @file The Python with PyTorch that trains on several devices: its status and its installation. */

export interface TorchStatus {
  /** The Python that is used: CAMBIUM_PYTHON, or that of Cambium's virtual environment. */
  readonly command: string;
  /** True if it is CAMBIUM_PYTHON, which Cambium does not change. */
  readonly isChosen: boolean;
  /** Null if that Python cannot be run. */
  readonly found: {
    readonly python: string;
    /** Versions by name. */
    readonly packages: Readonly<Record<string, string>>;
    /** Packages that are needed and not there. */
    readonly missing: readonly string[];
    /** Names of the GPUs that PyTorch can use. */
    readonly gpus: readonly string[];
  } | null;
}

export type TorchEvent =
  | { readonly type: 'progress'; readonly what: string }
  | { readonly type: 'done'; readonly status: TorchStatus };
