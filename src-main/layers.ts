/**
 * @file The layers: which may import which, where each runs, and which packages belong to which folders. Used by
 * the lint rule and by tests.
 */

/** `std` has neither Node nor the DOM, `node` has Node, `dom` has the DOM. */
export type Environment = 'std' | 'node' | 'dom';

export interface Layer {
  readonly environment: Environment;
  /** The layers (folders of `src-main`, or `src-renderer`) that this layer may import. */
  readonly mayImport: readonly string[];
}

const std = ['base', 'tensor', 'graph', 'model', 'growth', 'train', 'cost', 'bakeoff', 'contract'] as const;

// Aligned columns are easier to compare.
// prettier-ignore
export const layers: Readonly<Record<string, Layer>> = {
  base:           { environment: 'std',  mayImport: [] },
  tensor:         { environment: 'std',  mayImport: ['base'] },
  graph:          { environment: 'std',  mayImport: ['base', 'tensor'] },
  model:          { environment: 'std',  mayImport: ['base', 'tensor', 'graph'] },
  growth:         { environment: 'std',  mayImport: ['base', 'tensor', 'graph', 'model'] },
  train:          { environment: 'std',  mayImport: ['base', 'tensor', 'graph', 'model'] },
  cost:           { environment: 'std',  mayImport: ['base', 'tensor', 'graph', 'model', 'growth', 'train'] },
  bakeoff:        { environment: 'std',  mayImport: ['base', 'tensor', 'model', 'growth', 'train', 'cost'] },
  contract:       { environment: 'std',  mayImport: ['base', 'tensor', 'model', 'growth', 'train', 'cost', 'bakeoff'] },
  store:          { environment: 'node', mayImport: ['base', 'tensor', 'model', 'train'] },
  launch:         { environment: 'node', mayImport: ['base', 'tensor', 'model', 'growth', 'train', 'cost', 'store'] },
  engine:         { environment: 'node', mayImport: [...std, 'store', 'launch'] },
  service:        { environment: 'node', mayImport: ['base', 'tensor', 'model', 'growth', 'train', 'cost', 'bakeoff', 'contract', 'store', 'launch'] },
  entry:          { environment: 'node', mayImport: ['base', 'contract', 'service'] },
  'src-renderer': { environment: 'dom',  mayImport: ['base', 'tensor', 'model', 'growth', 'train', 'cost', 'bakeoff', 'contract'] },
};

/** Packages and Node modules that only these files and folders may import, as paths from the root. */
// Aligned columns are easier to compare.
// prettier-ignore
export const packageOwners: Readonly<Record<string, readonly string[]>> = {
  'onnxruntime-node':        ['src-main/engine/ort'],
  koffi:                     ['src-main/engine/ort'],
  electron:                  ['src-main/entry/desktop'],
  ws:                        ['src-main/entry'],
  commander:                 ['src-main/entry'],
  'node:child_process':      ['src-main/entry', 'src-main/engine/device/gpu-readings.ts', 'src-main/launch/commands.ts'],
  'node:http':               ['src-main/entry'],
  'node:fs':                 ['src-main/store', 'src-main/entry', 'src-main/launch'],
  'node:fs/promises':        ['src-main/store', 'src-main/entry', 'src-main/launch'],
  tokenizers:                ['src-main/store/data'],
  '@huggingface/jinja':      ['src-main/store/data'],
  'csv-parse':               ['src-main/store/data'],
  'franc-min':               ['src-main/store/data'],
  yaml:                      ['src-main/store/checkpoint/front-matter.ts'],
  '@huggingface/hub':        ['src-main/store/hub'],
  hyparquet:                 ['src-main/store'],
  'hyparquet-compressors':   ['src-main/store'],
  'electron-updater':        ['src-main/entry/desktop'],
  '@bufbuild/protobuf':      ['src-main/graph', 'src-main/store/run/tensorboard.ts'],
  zod:                       ['src-main/bakeoff', 'src-main/base', 'src-main/contract', 'src-main/cost', 'src-main/engine/train', 'src-main/entry', 'src-main/growth', 'src-main/launch', 'src-main/model', 'src-main/store', 'src-main/train'],
  uplot:                     ['src-renderer'],
  svelte:                    ['src-renderer'],
};
