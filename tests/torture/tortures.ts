/** @file The tortures of `npm run torture`, by name. Each is loaded only when it is run. */
import type { Torture } from './torture.ts';

export const tortures: Readonly<Record<string, () => Promise<Torture>>> = {
  kills: async () => (await import('./kills/torture.ts')).kills,
  disk: async () => (await import('./disk/torture.ts')).disk,
  writes: async () => (await import('./writes/torture.ts')).writes,
  processes: async () => (await import('./processes/torture.ts')).processes,
  stored: async () => (await import('./stored/torture.ts')).stored,
  parsers: async () => (await import('./parsers/torture.ts')).parsers,
  week: async () => (await import('./week/torture.ts')).week,
  neighbour: async () => (await import('./neighbour/torture.ts')).neighbour,
};
