/** @file The settings of the app on this computer, in settings.json of the home folder: schema and defaults. */
import { z } from 'zod';

export const themeChoices = ['system', 'light', 'dark'] as const;
export type ThemeChoice = (typeof themeChoices)[number];

const path = z.string().max(4096);

const fields = {
  /** null before anybody has chosen one. */
  theme: z.enum(themeChoices).nullable(),
  /** True if the page notifies when a run or a job ends. */
  notifications: z.boolean(),
  /** The port of `cambium serve` from its next start on; null for its default. */
  port: z.number().int().min(1024).max(65_535).nullable(),
  /** Folders of new models and exports; empty for folders in the home. */
  modelsFolder: path,
  exportsFolder: path,
  /** Days after which a run in the trash is deleted; 0 keeps it until the trash is emptied. */
  trashDays: z.number().int().min(0).max(3650),
};

export const appSettings = z.object(fields);
export type AppSettings = Readonly<z.infer<typeof appSettings>>;

export const appSettingDefaults: AppSettings = {
  theme: null,
  notifications: false,
  port: null,
  modelsFolder: '',
  exportsFolder: '',
  trashDays: 30,
};

/** The settings that change; the others keep their values. */
export type AppSettingChange = Partial<AppSettings>;
export const appSettingChange = appSettings.partial() as z.ZodType<AppSettingChange>;

/** The settings of a file. A field that is missing or invalid has its default. */
export function parseAppSettings(stored: Readonly<Record<string, unknown>> = {}): AppSettings {
  const entries = Object.entries(fields).map(([id, schema]) => {
    const parsed = schema.safeParse(stored[id]);
    return [id, parsed.success ? parsed.data : appSettingDefaults[id as keyof AppSettings]];
  });
  return Object.fromEntries(entries) as AppSettings;
}
