/** @file What the engine's programs ask of the device, as the ledger of the stand-in counts it. */
import { checkpointWeights, loadModel, type LoadedModel } from '../../../src-main/engine/model/weights.ts';
import type { Device } from '../../../src-main/engine/ort/device.ts';
import { Training, type ResolvedSettings } from '../../../src-main/engine/train/training.ts';
import type { Checkpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { noLimit } from '../../../src-main/train/update.ts';
import { standin, sumOf, type Ledger } from './standin.ts';

/** What one run of a program asks of the device. Bytes and counts are means over the measured runs. */
export interface Demands {
  readonly kernels: number;
  readonly products: number;
  readonly productFlops: number;
  readonly bytesToDevice: number;
  readonly bytesToHost: number;
  readonly bytesOnDevice: number;
  readonly memsetBytes: number;
  /** Bytes of new device memory. */
  readonly allocatedBytes: number;
  /** Waits of the host for a stream, an event or the device, and copies that the host waits for. */
  readonly waits: number;
  /** Work that does not wait for work of another stream that it depends on, by what it is. */
  readonly races: Readonly<Record<string, number>>;
  readonly ledger: Ledger;
}

const racesOf = (ledger: Ledger): Readonly<Record<string, number>> =>
  Object.fromEntries(
    [...ledger].filter(([name]) => name.startsWith('order ')).map(([n, row]) => [n, row.count]),
  );

function demandsOf(ledger: Ledger, runs: number): Demands {
  const count = (prefix: string): number => sumOf(ledger, prefix).count / runs;
  const amount = (...prefixes: string[]): number =>
    prefixes.reduce((sum, prefix) => sum + sumOf(ledger, prefix).amount, 0) / runs;
  return {
    kernels: count('kernel '),
    products: count('product '),
    productFlops: amount('product '),
    bytesToDevice: amount('copy to device', 'blocking-copy to device'),
    bytesToHost: amount('copy to host', 'blocking-copy to host'),
    bytesOnDevice: amount('copy on device', 'blocking-copy on device'),
    memsetBytes: amount('memset '),
    allocatedBytes: amount('memory cudaMalloc'),
    waits: count('wait ') + count('blocking-copy to host') + count('blocking-copy to device'),
    races: racesOf(ledger),
    ledger,
  };
}

/** Runs a program `warmups` times, then `runs` times, and returns what one of the latter asks for. */
export async function measureRuns(
  run: (i: number) => Promise<unknown>,
  { warmups = 2, runs = 2 } = {},
): Promise<Demands> {
  for (let i = 0; i < warmups; i++) await run(i);
  standin.reset();
  for (let i = 0; i < runs; i++) await run(warmups + i);
  return demandsOf(standin.read(), runs);
}

/** Writes token numbers below `vocab`, each document eight tokens long. */
const fillBatch =
  (vocab: number) =>
  (_: number, tokens: Int32Array, documents: Int32Array): void => {
    for (const at of tokens.keys()) tokens[at] = (7 * at) % vocab;
    for (const at of documents.keys()) documents[at] = Math.floor(at / 8);
  };

/** Makes one update; the weight of the distillation loss is 0.5. */
export const makeStep = (training: Training, vocab: number, update: number): Promise<unknown> =>
  training.step(
    { update, lr: 1e-3, limits: { loss: noLimit, gradNorm: noLimit }, distill: 0.5 },
    fillBatch(vocab),
  );

/** What one update of a checkpoint asks for. `source` is the model that is distilled from. */
export async function measureTraining(
  device: Device,
  checkpoint: Checkpoint,
  settings: ResolvedSettings,
  source?: Checkpoint,
): Promise<Demands> {
  const load = (from: Checkpoint): Promise<LoadedModel> =>
    loadModel(device, from, checkpointWeights(from), { optimizer: settings.optimizer });
  const loaded = await load(checkpoint);
  const teacher = source && (await load(source));
  const training = await Training.open(device, loaded, settings, teacher);
  try {
    return await measureRuns((i) => makeStep(training, checkpoint.dims['vocab']!, i + 1));
  } finally {
    await training.dispose();
    loaded.dispose();
    teacher?.dispose();
  }
}
