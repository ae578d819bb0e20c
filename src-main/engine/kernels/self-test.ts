/**
 * @file Kernels are never silently wrong: before a group of them is used on a GPU for the first time, each is tried
 * there against the operators that define it, on awkward inputs. A group with a kernel that disagrees is not used.
 */
import { describeError, toErrorData } from '../../base/errors.ts';
import { emit, graphOf, input, type Graph, type Value } from '../../graph/graph.ts';
import { kernelGroups, noKernels, type KernelChoice, type KernelGroup } from '../../graph/kernels.ts';
import { encodeWithKernels } from '../../graph/onnx.ts';
import { hashText, readSelfTest, writeSelfTest, type SelfTestResults } from '../../store/gpu/kernel-cache.ts';
import { resolveHomeDir } from '../../store/home/home.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { Precision } from '../../train/precision.ts';
import { openCudaDriver } from '../ort/cuda-driver.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Device } from '../ort/device.ts';
import { deviceSource } from './device.ts';
import { elementsSource } from './elements.ts';
import { groupOf, kernels, opOf } from './index.ts';
import type { Kernel, Trial } from './kernel.ts';
import { openCompiler, prepareKernels } from './runtime.ts';
import { distanceOf, numbersOf, trialBytes } from './trial.ts';

/** The kernels that a program may use, and why others are not used. */
export interface KernelReport {
  readonly choice: KernelChoice;
  readonly refused: readonly { readonly group: KernelGroup; readonly why: string }[];
}

export const noKernelReport: KernelReport = { choice: noKernels, refused: [] };

const reportOf = (results: SelfTestResults): KernelReport => ({
  choice: new Set(kernelGroups.filter((group) => results[group] === null)),
  refused: kernelGroups.flatMap((group) => {
    const why = results[group];
    return why ? [{ group, why }] : [];
  }),
});

const everyGroup = (why: string): SelfTestResults =>
  Object.fromEntries(kernelGroups.map((group) => [group, why]));

/** The groups that have a kernel for activations of a precision. */
export const groupsFor = (precision: Precision): readonly KernelGroup[] =>
  kernelGroups.filter((group) => group !== 'attention' || precision !== 'float32');

/**
 * The kernels that pass the self-test on a device, in a precision. It runs at most once for each device, driver,
 * compiler and version of the kernels; then its result is read from Cambium's folder.
 */
export async function chooseKernels(
  device: Device,
  setting: 'off' | 'auto',
  precision: Precision,
): Promise<KernelReport> {
  if (setting === 'off' || device.kind !== 'cuda') return noKernelReport;
  const tested = await readOrTest(device, precision).catch((error: unknown) => everyGroup(sentenceOf(error)));
  return reportOf(tested);
}

const sentenceOf = (error: unknown): string => describeError(toErrorData(error)).join('. ');

async function readOrTest(device: Device, precision: Precision): Promise<SelfTestResults> {
  const { architecture, version } = openCudaDriver();
  const sources = kernels.flatMap((kernel) => [
    kernel.source,
    ...launchesOf(kernel, typeFor(kernel, precision)),
  ]);
  const origin = [architecture, String(version), openCompiler().version, deviceSource, elementsSource];
  const key = hashText(device.name, precision, ...origin, ...sources);
  const home = resolveHomeDir();
  const known = await readSelfTest(home, key);
  if (known) return known;
  const results: Record<string, string | null> = {};
  for (const group of groupsFor(precision)) results[group] = await testGroup(device, group, precision);
  await writeSelfTest(home, key, { device: device.name, precision, results });
  return results;
}

/** The type that a kernel is tried in for runs of a precision. */
const typeFor = ({ types }: Kernel, precision: Precision): DType =>
  types.includes(precision) ? precision : 'float32';

/** How the trials of a kernel are launched, as text. */
const launchesOf = (kernel: Kernel, type: DType): readonly string[] =>
  kernel.trials(type).map((trial) => JSON.stringify(kernel.launch(emitTrial(kernel, trial)[0]!.node!)));

const inputsOf = (trial: Trial): readonly Value[] =>
  trial.inputs.map(({ dtype, shape }, i) => input(`x${i}`, dtype, shape));

const emitTrial = (kernel: Kernel, trial: Trial, inputs = inputsOf(trial)): readonly Value[] =>
  emit(opOf(kernel), inputs, trial.attrs);

/** Why a group is not used; null if each of its kernels agrees with its operator. */
async function testGroup(device: Device, group: KernelGroup, precision: Precision): Promise<string | null> {
  for (const kernel of kernels.filter((other) => groupOf(other) === group)) {
    for (const trial of kernel.trials(typeFor(kernel, precision))) {
      const why = await tryKernel(device, kernel, trial).catch(sentenceOf);
      if (why !== null) return `${kernel.op}, ${trial.title}: ${why}`;
    }
  }
  return null;
}

/** Runs a kernel and the operators that define it on the same inputs; returns how they disagree. */
async function tryKernel(device: Device, kernel: Kernel, trial: Trial): Promise<string | null> {
  const inputs = inputsOf(trial);
  const kernelOutputs = emitTrial(kernel, trial, inputs);
  const actual = await run(device, graphFor(kernelOutputs, inputs), trial, new Set([groupOf(kernel)]));
  const expected = await run(
    device,
    graphFor(opOf(kernel).lower!(inputs, trial.attrs), inputs),
    trial,
    noKernels,
  );
  for (const [i, { dtype }] of kernelOutputs.entries()) {
    const [found, wanted] = [numbersOf(actual[i]!, dtype), numbersOf(expected[i]!, dtype)];
    if (i === 0 && wanted.every((x) => x === 0)) return 'the device returns zeros';
    const distance = distanceOf(found, wanted, dtype);
    if (distance > 1) return `output ${i} is ${distance.toPrecision(2)} times the tolerance away`;
  }
  return null;
}

const graphFor = (outputs: readonly Value[], inputs: readonly Value[]): Graph =>
  graphOf(Object.fromEntries(outputs.map((v, i) => [`y${i}`, v])), inputs);

async function run(
  device: Device,
  graph: Graph,
  trial: Trial,
  choice: KernelChoice,
): Promise<readonly Uint8Array[]> {
  const { model, kernelNodes } = encodeWithKernels(graph, { provider: 'cuda', kernels: choice });
  const customOps = await prepareKernels(kernelNodes);
  const session = await device.openSession(model, { customOps, memoryPattern: false });
  const feeds = trial.inputs.map((x, i) => {
    const bytes = trialBytes(x, trial, i);
    return [`x${i}`, DeviceTensor.fromArray(bytes, x.dtype, x.shape)] as const;
  });
  const names = Object.keys(graph.outputs);
  try {
    const outputs = await session.run(
      new Map(feeds.filter(([name]) => session.inputs.includes(name))),
      Object.fromEntries(names.map((name) => [name, 'host' as const])),
    );
    const bytes = names.map((name) => outputs.get(name)!.bytes());
    for (const tensor of outputs.values()) tensor.dispose();
    return bytes;
  } finally {
    for (const [, tensor] of feeds) tensor.dispose();
    await session.dispose();
  }
}
