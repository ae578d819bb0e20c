/** @file Schemas that several answers share. */
import '../no-eval.ts';
import { z } from 'zod';
import { deviceKinds } from '../../base/device.ts';
import type { ErrorData } from '../../base/errors.ts';
import type { Json, JsonObject } from '../../base/json.ts';
import type { Fitting } from '../../cost/fit.ts';
import { currentCertificate, type Certificate } from '../../model/certificate.ts';
import type { Settings, SettingValue } from '../../model/settings.ts';
import { weightDTypes } from '../../tensor/dtype.ts';
import { precisions, type Precision } from '../../train/precision.ts';
import { memoryOverrides } from '../../train/resume.ts';
import { exactly } from './exact.ts';

export const number = z.number();
export const count = z.number().int().min(0);
export const text = z.string();
export const texts = z.array(text);
export const done = z.strictObject({});
export const deviceKind = z.enum(deviceKinds);
export const precision = z.enum(precisions as readonly [Precision, ...Precision[]]);
export const jsonObject: z.ZodType<JsonObject> = z.record(text, z.custom<Json>());
export const weightDType = z.enum(weightDTypes);
const settingValue = exactly<SettingValue>()(
  z.union([number, z.boolean(), text, z.null(), texts, z.array(number)]),
);
/** The settings of a model, by their names in Cambium. */
export const modelSettings = z.record(text, settingValue) as z.ZodType<Settings>;
export const waitingEvent = z.object({
  type: z.literal('waiting'),
  device: deviceKind,
  position: count,
  of: count,
});
/** Sizes by axis. */
export const sizes = z.record(text, number);

/** Settings with which a run would fit into memory. */
const change = memoryOverrides as unknown as z.ZodType<Fitting['change']>;
export const fitting = z.object({ what: text, change, bytes: number });

/**
 * An error of any version: `describeError` has words for every code and detail. The fields are those that the page
 * computes with.
 */
export const errorData = z.object({
  code: z.string().max(100),
  detail: z.looseObject({
    axis: text.optional(),
    of: text.optional(),
    option: text.optional(),
    url: text.optional(),
    nearest: z.array(number).optional(),
    methods: texts.optional(),
    most: number.optional(),
    fits: z.array(fitting).optional(),
  }),
}) as unknown as z.ZodType<ErrorData>;

export const certificate = currentCertificate as unknown as z.ZodType<Certificate>;
