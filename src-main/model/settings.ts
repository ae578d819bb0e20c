/** @file The settings of a model: the values of config.json that are not sizes. */

/** A list has one entry per layer. */
export type SettingValue = number | boolean | string | null | readonly string[];

/** Settings by Cambium's name, such as `eps`, `tied`, `ropeTheta` or `activation`. */
export type Settings = Readonly<Record<string, SettingValue>>;
