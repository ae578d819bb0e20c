/** @file The kinds of device that work runs on. */

export const deviceKinds = ['cpu', 'webgpu', 'cuda'] as const;
export type DeviceKind = (typeof deviceKinds)[number];

/** The devices that a user can choose. */
export const deviceChoices = ['auto', ...deviceKinds] as const;
export type DeviceChoice = (typeof deviceChoices)[number];
