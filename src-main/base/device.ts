/** @file The kinds of device. */

export const deviceKinds = ['cpu', 'webgpu', 'cuda'] as const;
export type DeviceKind = (typeof deviceKinds)[number];

/** What a person can ask for. */
export const deviceChoices = ['auto', ...deviceKinds] as const;
export type DeviceChoice = (typeof deviceChoices)[number];
