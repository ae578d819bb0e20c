/** @file The whole text of a kernel as a compiler gets it. */
import { deviceSource } from './device.ts';
import { elementsSource } from './elements.ts';
import type { Kernel, Launch } from './kernel.ts';

const definesOf = ({ defines }: Launch): string =>
  Object.entries(defines)
    .map(([name, value]) => `#define ${name} ${value}\n`)
    .join('');

/** The text that defines the kernel `entry` for a launch, after the names of the device. */
export const bodyOf = (kernel: Kernel, launch: Launch, entry: string): string =>
  `#define ENTRY ${entry}\n${definesOf(launch)}${elementsSource}${kernel.source}`;

/** The text for NVRTC. */
export const sourceOf = (kernel: Kernel, launch: Launch): string =>
  `${deviceSource}${bodyOf(kernel, launch, kernel.op)}`;
