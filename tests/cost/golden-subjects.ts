/** @file A model of every family, as a subject of cost tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../src-main/base/json.ts';
import type { Subject } from '../../src-main/cost/programs.ts';
import { families } from '../../src-main/model/families/index.ts';
import { subjectOf } from './subjects.ts';

const golden = join(import.meta.dirname, '../fixtures/golden');
/** The models of the golden checkpoints, which cover every family. */
export const goldenSubjects: readonly { readonly name: string; readonly subject: Subject }[] = readdirSync(
  golden,
).map((name) => ({
  name,
  subject: subjectOf(JSON.parse(readFileSync(join(golden, name, 'config.json'), 'utf8')) as JsonObject),
}));
/** Families without a golden checkpoint. */
export const uncoveredFamilies: readonly string[] = [...families.keys()].filter((id) =>
  goldenSubjects.every(({ subject }) => subject.family !== id),
);
