/** @file Errors of the engine process, its devices, ONNX Runtime, the CUDA provider and the graph compiler. */
import { formatBytes } from '../format.ts';
import { listNames, type ErrorText } from './text.ts';

const reportBug = 'This is a bug in the graph; please report it.';

/** Settings with which a run would fit in memory, as a sentence. */
function suggestFits(fits: readonly { what: string; bytes: number }[]): string {
  if (fits.length === 0)
    return 'No setting makes it fit; train a smaller model, or use a device with more memory.';
  return `It would fit with ${fits.map((fit) => `${fit.what} (${formatBytes(fit.bytes)})`).join('; or ')}.`;
}

const resumeHint = 'Saved progress is kept: cambium resume accepts these settings.';

export const engineErrors = {
  'gpu/wheel': (d: { path: string; why: string }): ErrorText => [
    `${d.path} cannot be installed: ${d.why}`,
    'See cambium gpu install --help for the packages that are needed.',
  ],
  'gpu/download': (d: { what: string; why: string }): ErrorText => [
    `${d.what} could not be downloaded: ${d.why}`,
    'Try again, or download the files elsewhere and pass them with --from.',
  ],
  'gpu/no-pip': (d: { tried: readonly string[] }): ErrorText => [
    `no pip was found (tried ${listNames(d.tried, 5)})`,
    'Install pip or uv, choose an index with --index, or download the wheels elsewhere and pass them with --from.',
  ],
  'gpu/platform': (d: { platform: string }): ErrorText => [
    `the CUDA provider does not exist for ${d.platform}`,
    'It needs Linux on x86-64 or ARM 64 with an NVIDIA GPU; use WebGPU elsewhere.',
  ],

  'kernel/no-compiler': (d: { library: string; why: string }): ErrorText => [
    `CUDA kernels cannot be compiled: ${d.library} cannot be loaded (${d.why})`,
    "Install CUDA's libraries with cambium gpu install, or train with --kernels off.",
  ],
  'kernel/compile': (d: { kernel: string; why: string }): ErrorText => [
    `the CUDA kernel ${d.kernel} does not compile: ${d.why}`,
    'Train with --kernels off, and please report this.',
  ],
  'kernel/launch': (d: { kernel: string; why: string }): ErrorText => [
    `the CUDA kernel ${d.kernel} cannot run on this GPU: ${d.why}`,
    'Train with --kernels off, and please report this.',
  ],
  'engine/no-device': (d: { device: string; why: string }): ErrorText => [
    `the device "${d.device}" cannot be used: ${d.why}`,
    'See cambium doctor for what is missing.',
  ],
  'engine/other-device': (d: { asked: string; got: string }): ErrorText => [
    `requested ${d.asked}, but the work would run on ${d.got}`,
    'Cambium never changes the device silently; choose another with --device.',
  ],
  'engine/out-of-memory': (d: {
    device: string;
    detail: string;
    fits?: readonly { what: string; bytes: number }[];
  }): ErrorText => [
    `${d.device} ran out of memory`,
    d.fits
      ? [suggestFits(d.fits), ...(d.fits.length > 0 ? [resumeHint] : [])].join(' ')
      : 'Lower the micro-batch size, raise gradient accumulation, or shorten the context length.',
  ],
  'engine/does-not-fit': (d: {
    device: string;
    needed: number;
    capacity: number;
    fits: readonly { what: string; bytes: number }[];
  }): ErrorText => [
    `the run needs at least ${formatBytes(d.needed)} of memory, and ${d.device} has ${formatBytes(d.capacity)}`,
    suggestFits(d.fits),
  ],
  'engine/crashed': (d: { how: string; lines: string }): ErrorText => [
    `the engine process ended unexpectedly (${d.how})`,
    'Resume the run from its last checkpoint; its log has the details.',
  ],
  'engine/runtime': (d: { call: string; message: string }): ErrorText => [
    `ONNX Runtime failed in ${d.call}: ${d.message}`,
    'See cambium doctor; if the device is the cause, try --device cpu.',
  ],
  'engine/library': (d: { path: string; why: string }): ErrorText => [
    `the ONNX Runtime library ${d.path} cannot be loaded: ${d.why}`,
    'Run npm ci again; cambium doctor lists what is missing.',
  ],

  'graph/shapes': (d: { op: string; shapes: string }): ErrorText => [
    `${d.op} does not accept ${d.shapes}`,
    reportBug,
  ],
  'graph/invalid': (d: { pass: string; node: string; why: string }): ErrorText => [
    `after ${d.pass}, ${d.node}: ${d.why}`,
    reportBug,
  ],
  'graph/no-gradient': (d: { op: string }): ErrorText => [`${d.op} has no gradient rule`, reportBug],
} as const;
