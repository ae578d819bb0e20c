/**
 * @file The coordinate check: trains random models of several widths for a few updates, by µP and in the standard
 * parametrisation, on the same batches, and measures the scale of their activations.
 */
import { refuse } from '../../base/errors.ts';
import { countParameters } from '../../model/parameters.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { formatMupBase, mupFactors, mupModelOf } from '../../train/mup.ts';
import { coordinatesOf, coordinatesProgram, widen } from '../../train/tuning/coordinates.ts';
import type { CoordinateCheck } from '../../train/tuning/tuning.ts';
import { noLimit } from '../../train/update.ts';
import { compile, selectFeeds } from '../model/programs.ts';
import { loadModel, randomWeights, type LoadedModel, type ModelShape } from '../model/weights.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Device } from '../ort/device.ts';
import { Training, type ResolvedSettings } from '../train/training.ts';
import { batchReader, type TrialText } from './trial.ts';

/** Widths, relative to the source. The heads keep their size, so their number changes. */
const factors = [1 / 4, 1 / 2, 1, 2, 4];
/** More layers than this add time and no information. */
const maxLayers = 4;
/** The largest model has at most so many times the parameters of the source. */
const maxParameterRatio = 16;
/** Updates before the activations are measured, as in the coordinate check of the package `mup`. */
const steps = 4;
/** Fixed: a large rate makes the growth visible after few updates. */
const checkLr = 1e-2;

export interface CheckProgress {
  readonly done: number;
  readonly of: number;
}

interface MeasuredScales {
  readonly names: readonly string[];
  readonly scales: readonly number[];
}

/** The models of the check. Throws `tune/no-widths`. */
function modelsOf({ family, dims, settings, summary }: Checkpoint): readonly ModelShape[] {
  const layers = Math.min(maxLayers, dims['layers']!);
  const most = maxParameterRatio * countParameters(family, { ...dims, layers }, settings);
  const models = factors.flatMap((factor) => {
    const wider = widen(family, dims, factor, layers);
    return wider && countParameters(family, wider, settings) <= most
      ? [{ family, settings, dims: wider }]
      : [];
  });
  return models.length > 1 ? models : refuse('tune/no-widths', { model: summary.name });
}

/** Runs the check. Returns undefined if `shouldStop` ended it. */
export async function* checkCoordinates(
  device: Device,
  checkpoint: Checkpoint,
  text: TrialText,
  settings: ResolvedSettings,
  shouldStop: () => boolean,
): AsyncGenerator<CheckProgress, CoordinateCheck | undefined> {
  const models = modelsOf(checkpoint);
  const axis = checkpoint.family.stream.axis;
  const widths = models.map(({ dims }) => dims[axis]!);
  const layers = models[0]!.dims['layers']!;
  const base = formatMupBase(checkpoint.dims);
  const measured: Record<'mup' | 'standard', MeasuredScales[]> = { mup: [], standard: [] };
  let done = 0;
  for (const kind of ['mup', 'standard'] as const)
    for (const model of models) {
      if (shouldStop()) return undefined;
      const own = { ...settings, lr: checkLr, mupBase: kind === 'mup' ? base : 'off', gradAccum: 1 };
      measured[kind].push(await measureScales(device, model, text, own));
      yield { done: ++done, of: 2 * models.length };
    }
  const summarize = (all: readonly MeasuredScales[]): CoordinateCheck['mup'] =>
    coordinatesOf(
      all[0]!.names,
      widths,
      all.map(({ scales }) => scales),
    );
  return {
    widths,
    steps,
    lr: checkLr,
    layers,
    mup: summarize(measured.mup),
    standard: summarize(measured.standard),
  };
}

/** The scales of a model's activations after the updates. */
async function measureScales(
  device: Device,
  model: ModelShape,
  text: TrialText,
  settings: ResolvedSettings,
): Promise<MeasuredScales> {
  const mup = mupModelOf(model, settings);
  const loaded = await loadModel(device, model, randomWeights(model, settings.seed, mup), {
    optimizer: settings.optimizer,
    ...(mup ? { factors: mupFactors(mup) } : {}),
  });
  try {
    const training = await Training.open(device, loaded, settings);
    try {
      for (let step = 0; step < steps; step++) {
        const limits = { loss: noLimit, gradNorm: noLimit };
        const order = { update: step + 1, lr: settings.lr, limits, distill: 0 };
        await training.step(order, batchReader(text, settings, step));
      }
    } finally {
      await training.dispose();
    }
    return await readScales(device, loaded, text, settings);
  } finally {
    loaded.dispose();
  }
}

/** The scales on the batch after the updates. */
async function readScales(
  device: Device,
  loaded: LoadedModel,
  text: TrialText,
  settings: ResolvedSettings,
): Promise<MeasuredScales> {
  const { microBatch, contextLength } = settings;
  const shape = { microBatch, contextLength, deviceKind: device.kind };
  const { graph, names } = coordinatesProgram(loaded.model, shape);
  const session = await compile(device, graph);
  const ids = new Int32Array(microBatch * (contextLength + 1));
  const tokens = DeviceTensor.fromArray(ids, 'int32', [microBatch, contextLength + 1]);
  batchReader(text, { ...settings, documentMask: 'off' }, steps)(0, ids, new Int32Array());
  try {
    const feeds = { ...selectFeeds(session, loaded.tensors), tokens };
    const outputs = await session.run(feeds, { scales: 'host' });
    const scales = outputs.get('scales')!;
    const found = [...scales.values('float32')];
    scales.dispose();
    return { names, scales: found };
  } finally {
    tokens.dispose();
    await session.dispose();
  }
}
