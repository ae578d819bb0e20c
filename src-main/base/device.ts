/** @file The kinds of device that work runs on. */

export type DeviceKind = 'cpu' | 'webgpu' | 'cuda';
export type DeviceChoice = DeviceKind | 'auto';
