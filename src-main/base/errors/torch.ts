/** @file Errors of the PyTorch engine and of the jobs that run it. */
import { listNames, type ErrorText } from './text.ts';

export const torchErrors = {
  'torch/unsupported': (d: { what: string }): ErrorText => [
    `the PyTorch engine does not train ${d.what}`,
    "Train with Cambium's own engine (leave out --engine), or change the setting.",
  ],
  'torch/no-tensor-plan': (d: { model: string; why: string }): ErrorText => [
    `the layers of a ${d.model} model cannot be divided: ${d.why}`,
    'Leave out --tensor-parallel; FSDP divides weights, gradients and moments over all processes in any case.',
  ],
  'torch/too-many-processes': (d: { processes: number; sequences: number }): ErrorText => [
    `an update has ${d.sequences} sequences, which are too few for ${d.processes} processes`,
    'Raise --grad-accum or --micro-batch, or use fewer processes.',
  ],
  'torch/not-installed': (d: { python: string }): ErrorText => [
    `there is no Python with PyTorch: ${d.python} cannot be run`,
    'Run cambium torch install, or set CAMBIUM_PYTHON to a Python that has torch, transformers and safetensors.',
  ],
  'torch/missing-packages': (d: { python: string; packages: readonly string[] }): ErrorText => [
    `${d.python} lacks ${listNames(d.packages, 5)}`,
    'Install them there, or unset CAMBIUM_PYTHON and run cambium torch install.',
  ],
  'torch/no-python': (d: { tried: readonly string[]; oldest: string }): ErrorText => [
    `no Python ${d.oldest} or newer with venv was found (tried ${listNames(d.tried, 9)})`,
    'Install Python (on Debian and Ubuntu: python3 and python3-venv), and try again.',
  ],
  'torch/install': (d: { what: string; why: string }): ErrorText => [
    `PyTorch could not be installed: ${d.what} ended with: ${d.why}`,
    'Check the connection and the free disk space, and try again. pip reads its index and proxy from its own settings.',
  ],
  'torch/chosen': (d: { python: string }): ErrorText => [
    `CAMBIUM_PYTHON is set to ${d.python}, so another installation would not be used`,
    'Unset CAMBIUM_PYTHON and try again, or install the packages in that Python yourself.',
  ],
  'torch/no-gpus': (d: { python: string; wanted: number; found: number }): ErrorText => [
    `PyTorch of ${d.python} finds ${d.found} GPUs, and ${d.wanted} are needed`,
    'Use fewer with --gpus, or train on the CPU with --device cpu. `nvidia-smi` shows which GPUs the driver has.',
  ],
  'torch/failed': (d: { how: string; log: string; lines: string }): ErrorText => [
    `the PyTorch trainer ended unexpectedly (${d.how})${d.lines === '' ? '' : `: ${d.lines.split('\n').at(-1)!}`}`,
    `Its log is ${d.log}. Resume the run from its last checkpoint.`,
  ],
  'slurm/failed': (d: { command: string; why: string }): ErrorText => [
    `${d.command} of Slurm failed: ${d.why.trim().replace(/\.$/, '')}`,
    'Run Cambium on the login node of the cluster, and check the partition, the account and the limits.',
  ],
  'slurm/processes': (d: { nodes: number }): ErrorText => [
    `how many processes each of the ${d.nodes} nodes can run is not known on the login node`,
    'Give --gpus, the GPUs of each node, or with --device cpu --processes.',
  ],
  'torch/only-sharded': (d: { sharded: number; consolidated: number }): ErrorText => [
    `only PyTorch reads the checkpoint of step ${d.sharded}; ` +
      `the newest one for Cambium's engine is of step ${d.consolidated}`,
    'Resume with --engine torch and stop it once: it then writes a checkpoint that both read.',
  ],
} as const;
