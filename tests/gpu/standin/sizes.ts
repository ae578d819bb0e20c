/** @file Models of real sizes without their files: the weights are zeros, which take no memory on the stand-in. */
import { openLossMeter } from '../../../src-main/engine/model/programs.ts';
import { loadModel, type LoadedModel, type WeightSource } from '../../../src-main/engine/model/weights.ts';
import { generate } from '../../../src-main/engine/infer/generate.ts';
import { openDevice, type Device } from '../../../src-main/engine/ort/device.ts';
import { Training } from '../../../src-main/engine/train/training.ts';
import type { Checkpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { countElements } from '../../../src-main/tensor/layout.ts';
import { sizeCasesFor, type SizeCase } from '../../bench/gpu-sizes.ts';
import { collect } from '../../engine/workbench.ts';
import { familyById } from '../../../src-main/model/families/index.ts';
import { makeStep, measureRuns, type Demands } from './measure.ts';
import { noKernels, type KernelChoice } from '../../../src-main/graph/kernels.ts';
import { initialLossScale } from '../../../src-main/train/precision.ts';
import { standin } from './standin.ts';

/** Bytes of an H200. */
const capacity = 141e9;

export const sizeCases: readonly SizeCase[] = sizeCasesFor(capacity);

const zeros: WeightSource = ({ shape }) => Promise.resolve(new Float32Array(countElements(shape)));

/** What a run at one size asks of the device, and the most bytes it holds in each of its phases. */
export interface SizeMeasurement {
  readonly step: Demands;
  readonly peakBytes: { readonly training: number; readonly evaluation: number; readonly sampling: number };
}

async function measurePhases(
  device: Device,
  loaded: LoadedModel,
  size: SizeCase,
  kernels: KernelChoice,
): Promise<SizeMeasurement> {
  const { settings, subject } = size;
  const vocab = subject.dims['vocab']!;
  const training = await Training.open(device, loaded, settings, undefined, initialLossScale, kernels);
  try {
    standin.reset();
    const step = await measureRuns((i) => makeStep(training, vocab, i + 1), { warmups: 2, runs: 1 });
    const trainingPeak = standin.peakBytes();
    const meter = await openLossMeter(device, loaded, settings);
    await meter.meanLoss([new Int32Array(settings.contextLength + 1)]);
    const evaluation = standin.peakBytes();
    await meter.dispose();
    await collect(generate(device, loaded, [1], 8, { temperature: 0, seed: 0 }));
    return { step, peakBytes: { training: trainingPeak, evaluation, sampling: standin.peakBytes() } };
  } finally {
    await training.dispose();
  }
}

/** Trains, evaluates and samples at one size, as a run does between two of its steps. */
export const measureSize = (size: SizeCase, kernels: KernelChoice = noKernels): Promise<SizeMeasurement> =>
  standin.withCopyLimit(0, async () => {
    const { subject, settings } = size;
    // Of a checkpoint, only the table of the family and the sizes are read.
    const model = { ...subject, family: familyById(subject.family) } as unknown as Checkpoint;
    const device = await openDevice('cuda');
    try {
      const loaded = await loadModel(device, model, zeros, { optimizer: settings.optimizer });
      try {
        return await measurePhases(device, loaded, size, kernels);
      } finally {
        loaded.dispose();
      }
    } finally {
      await device.dispose();
    }
  });
