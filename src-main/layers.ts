/**
 * @file Which layer may import which, where each may run, and which packages have an owner. Read by lint, by
 * the compiler's configs and by tests.
 */

/** `std` has neither Node nor DOM; `node` has Node; `dom` has a page. */
export type Environment = 'std' | 'node' | 'dom';

export interface Layer {
  readonly environment: Environment;
  /** Layers (folders of `src-main`, or `src-renderer`) whose files a file of this layer may import. */
  readonly mayImport: readonly string[];
}

const std = ['base', 'tensor', 'graph', 'model', 'growth', 'train', 'cost', 'contract'] as const;

// prettier-ignore
export const layers: Readonly<Record<string, Layer>> = {
  base:           { environment: 'std',  mayImport: [] },
  tensor:         { environment: 'std',  mayImport: ['base'] },
  graph:          { environment: 'std',  mayImport: ['base', 'tensor'] },
  model:          { environment: 'std',  mayImport: ['base', 'tensor', 'graph'] },
  growth:         { environment: 'std',  mayImport: ['base', 'tensor', 'graph', 'model'] },
  train:          { environment: 'std',  mayImport: ['base', 'tensor', 'graph', 'model'] },
  cost:           { environment: 'std',  mayImport: ['base', 'tensor', 'graph', 'model', 'growth', 'train'] },
  contract:       { environment: 'std',  mayImport: ['base', 'tensor', 'model', 'growth', 'train', 'cost'] },
  store:          { environment: 'node', mayImport: ['base', 'tensor', 'model', 'train'] },
  engine:         { environment: 'node', mayImport: [...std, 'store'] },
  service:        { environment: 'node', mayImport: ['base', 'tensor', 'model', 'growth', 'train', 'cost', 'contract', 'store'] },
  entry:          { environment: 'node', mayImport: ['base', 'contract', 'service'] },
  'src-renderer': { environment: 'dom',  mayImport: ['base', 'tensor', 'model', 'growth', 'train', 'cost', 'contract'] },
};

/**
 * A package (or a Node module) that only the named places may import; a place is a path below the
 * repository's root.
 */
// prettier-ignore
export const owners: Readonly<Record<string, readonly string[]>> = {
  'onnxruntime-node':        ['src-main/engine/ort'],
  koffi:                     ['src-main/engine/ort'],
  electron:                  ['src-main/entry/desktop'],
  ws:                        ['src-main/entry'],
  commander:                 ['src-main/entry'],
  'node:child_process':      ['src-main/entry', 'src-main/engine/device/gpu-readings.ts'],
  'node:http':               ['src-main/entry'],
  'node:fs':                 ['src-main/store', 'src-main/entry'],
  'node:fs/promises':        ['src-main/store', 'src-main/entry'],
  '@huggingface/tokenizers': ['src-main/store'],
  '@huggingface/hub':        ['src-main/store/hub'],
  hyparquet:                 ['src-main/store'],
  'hyparquet-compressors':   ['src-main/store'],
  'electron-updater':        ['src-main/entry/desktop'],
  '@bufbuild/protobuf':      ['src-main/graph', 'src-main/store/run/tensorboard.ts'],
  zod:                       ['src-main/base', 'src-main/contract', 'src-main/growth', 'src-main/train', 'src-main/store', 'src-main/model'],
  uplot:                     ['src-renderer'],
  svelte:                    ['src-renderer'],
};
