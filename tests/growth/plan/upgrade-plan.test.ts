/** @file Plans of format versions 1 and 2, as growth.json files of earlier releases hold them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPlan } from '../../../src-main/growth/plan/plan-file.ts';
import { upgradePlan } from '../../../src-main/growth/plan/upgrade-plan.ts';
import {
  createSavedPlan,
  sourceFromRecord,
  stagesFromRecord,
} from '../../../src-main/growth/plan/saved-plan.ts';
import type { GrowthRecord } from '../../../src-main/model/records.ts';
import { makeRequest } from '../tiny-model.ts';
import { llama } from '../variants/index.ts';
import { makeNamedSource } from './named-source.ts';

const file = join(import.meta.dirname, '../../fixtures/run-v1/grown/growth.json');
const record = JSON.parse(readFileSync(file, 'utf8')) as GrowthRecord;

/** The same JSON without the sentences for readers, which change between releases. */
const withoutText = (json: unknown): unknown =>
  JSON.parse(JSON.stringify(json), (key, value: unknown) =>
    key === 'why' || key === 'notes' ? undefined : value,
  );

describe('a growth.json with a plan of version 1', () => {
  it('is in the format of version 1', () => {
    const { version, stages } = record.plan as { version: number; stages: { tensors: object[] }[] };
    expect(version).toBe(1);
    for (const tensor of stages.flatMap((stage) => stage.tensors))
      expect(Object.keys(tensor)).toEqual(
        expect.arrayContaining(['silent', 'deviation', 'rate', 'gradient']),
      );
  });

  it('reads as the plan that the same request makes today', () => {
    const plan = readPlan(record.plan, 'growth.json');
    const source = { ...sourceFromRecord(record)!, name: plan.source.name, config: plan.source.config };
    const requests = plan.stages.map((stage) => stage.request);
    const today = createSavedPlan(source, requests, plan.source.fingerprint);
    expect(withoutText(plan)).toEqual(withoutText(today));
    expect(today.version).toBe(3);
  });

  it('has the same stages in a record, in a record of one stage and among earlier growths', () => {
    const { stages } = readPlan(record.plan, 'growth.json');
    const [stage] = (record.plan as { stages: unknown[] }).stages;
    expect(stagesFromRecord(record)).toEqual(stages);
    expect(stagesFromRecord({ plan: stage })).toEqual(stages);
    expect(stagesFromRecord({ plan: record.plan, before: [record.plan] }, { before: true })).toEqual([
      ...stages,
      ...stages,
    ]);
  });

  it('promises what its method promises today', () => {
    const { stages } = readPlan(record.plan, 'growth.json');
    expect(stages.map((stage) => stage.promise.kind)).toEqual(['function-preserving']);
  });

  it('keeps the fields of a plan of the current version', () => {
    const plan = readPlan(record.plan, 'growth.json');
    expect(upgradePlan(plan)).toBe(plan);
    expect(JSON.stringify(plan)).not.toMatch(/"(silent|deviation|alike|fresh|rate|gradient)":/);
  });
});

describe('a plan of version 2', () => {
  const source = makeNamedSource(llama);
  const plan = createSavedPlan(
    source,
    [
      makeRequest('hypercloning', { hidden: 2 * source.dims['hidden']! }),
      makeRequest('vocab', {}, { multiple: 64 }),
      makeRequest('stack', { layers: 2 * source.dims['layers']! }),
    ],
    null,
  );
  /** The plan as version 2 wrote it, which had two kinds of promises. */
  const old = {
    ...plan,
    version: 2,
    stages: plan.stages.map((stage) => ({
      ...stage,
      version: 2,
      promise: { ...stage.promise, kind: stage.promise.kind === 'none' ? 'approximate' : 'exact' },
    })),
  };

  it('reads as the same plan of the current version', () => {
    expect(plan.stages.map((stage) => stage.promise.kind)).toEqual([
      'function-preserving',
      'old-logits',
      'none',
    ]);
    expect(readPlan(JSON.parse(JSON.stringify(old)), 'plan.json')).toEqual(JSON.parse(JSON.stringify(plan)));
  });

  it('has the same stages in a record', () => {
    expect(stagesFromRecord({ plan: old })).toEqual(plan.stages);
    expect(stagesFromRecord({ plan: old.stages[1] })).toEqual([plan.stages[1]]);
  });
});
