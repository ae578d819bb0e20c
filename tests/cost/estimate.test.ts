import { describe, expect, it } from 'vitest';
import { assumptionDefaults } from '../../src-main/cost/assumptions.ts';
import { estimate, type Estimate } from '../../src-main/cost/estimate.ts';
import { secondsOf } from '../../src-main/cost/speed.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import {
  book,
  estimateRequest,
  llamaConfig,
  measuredCpu,
  subjectOf,
  unknownCpu,
  unmeasuredCpu,
} from './subjects.ts';

/** The estimate with some training settings changed. */
const estimateWith = (change: Partial<TrainingSettings>): Estimate =>
  estimate(estimateRequest({ training: { ...estimateRequest().training, ...change } }));
const secondsHere = (e: Estimate): number => e.here[0]!.seconds!.likely;
const memoryHere = (e: Estimate): number => e.here[0]!.memory.parts.reduce((n, p) => n + p.bytes, 0);

describe('the estimated time', () => {
  it('is the steps and the evaluations at the measured rates', () => {
    const e = estimateWith({ heldOut: 0 });
    const device = e.here[0]!;
    expect(e.steps).toBe(Math.ceil(100_000 / 256));
    expect(device.seconds!.likely).toBeCloseTo(e.steps * device.step!.plain, 9);
    expect(device.tokensPerSecond!.likely).toBeCloseTo(256 / device.step!.seconds, 6);
    expect(secondsHere(estimate(estimateRequest()))).toBeGreaterThan(device.seconds!.likely);
    const work = { flops: 2e11, thin: 2e10, bytes: 2e10, functions: 2e9, nodes: 200_000 };
    expect(secondsOf(work, measuredCpu.measured!)).toBeCloseTo(1 + 1 + 1 + 1 + 1, 9);
  });

  it('is unknown for a device without facts and rates', () => {
    const e = estimate(estimateRequest({ targets: [unknownCpu] }));
    expect(e.here[0]!.seconds).toBeUndefined();
    expect(e.here[0]!.basis).toMatch(/measure/);
    expect(e.offers.every((o) => !o.own)).toBe(true);
  });

  it('has a range as wide as the utilisation if it is based on the peak', () => {
    const assumptions = { ...assumptionDefaults, launch: 0 };
    const seconds = estimate(estimateRequest({ targets: [unmeasuredCpu], assumptions })).here[0]!.seconds!;
    expect(seconds.high / seconds.low).toBeCloseTo(3, 6);
    expect(seconds.likely).toBeCloseTo(Math.sqrt(seconds.high * seconds.low), 9);
  });

  it('of a small model on a GPU is bounded by launches and by memory bandwidth', () => {
    const secondsOn = (launch: number, bandwidth: number): number =>
      estimate(
        estimateRequest({
          assumptions: { ...assumptionDefaults, launch },
          book: { ...book, devices: book.devices.map((d) => ({ ...d, bandwidth })) },
        }),
      ).offers.find((o) => o.device === 'small')!.seconds.likely;
    expect(secondsOn(10, 1e12)).toBeGreaterThan(2 * secondsOn(0, 1e12));
    expect(secondsOn(0, 1e9)).toBeGreaterThan(2 * secondsOn(0, 1e15));
  });

  it('uses bfloat16 peaks only on devices that have bfloat16', () => {
    const computeBound = {
      book: { ...book, devices: book.devices.map((d) => ({ ...d, bandwidth: null })) },
      assumptions: { ...assumptionDefaults, launch: 0 },
    };
    const training = { ...estimateRequest().training, precision: 'bfloat16' } as const;
    const e = estimate(estimateRequest({ ...computeBound, training }));
    expect(e.here).toEqual([]);
    expect(e.offers.length).toBe(3);
    expect(() => estimateWith({ precision: 'bfloat16', device: 'cpu' })).toThrow(
      expect.objectContaining({ code: 'run/precision' }) as Error,
    );
    expect(estimateWith({ precision: 'bfloat16', device: 'cuda' }).offers.length).toBe(3);
    const float32 = estimate(estimateRequest(computeBound));
    const secondsOn = ({ offers }: Estimate): number =>
      offers.find((o) => o.device === 'small')!.seconds.likely;
    expect(secondsOn(e)).toBeCloseTo(secondsOn(float32) / 10, 3);
  });
});

describe('the estimated cost', () => {
  it('lists your own device first, then rented ones, cheapest first', () => {
    const e = estimate(estimateRequest({ assumptions: { ...assumptionDefaults, ownPrice: 2 } }));
    const [own, ...rented] = e.offers;
    expect(own).toMatchObject({ own: true, price: null });
    expect(own!.money.likely).toBeCloseTo((2 * e.here[0]!.seconds!.likely) / 3600, 12);
    expect(rented).toHaveLength(3);
    const costs = rented.map((o) => o.money.likely);
    expect(costs).toEqual([...costs].sort((a, b) => a - b));
  });

  it('keeps the source and the date of each price', () => {
    const rented = estimate(estimateRequest()).offers.filter((o) => !o.own);
    expect(rented).toHaveLength(3);
    for (const { device, price } of rented) {
      const listed = book.prices.find((p) => p.provider === price!.provider && p.device === device)!;
      expect([price!.source, price!.date]).toEqual([listed.source, listed.date]);
    }
  });

  it('of your own device without a price is its electricity', () => {
    const e = estimate(estimateRequest());
    const device = e.here[0]!;
    expect(e.offers[0]!.money.likely).toBeCloseTo(device.energy!.likely * assumptionDefaults.tariff, 12);
    const joules = 4 * 10 * 0.8 * 1.1 * device.seconds!.likely;
    expect(device.energy!.likely).toBeCloseTo(joules / 3.6e6, 12);
    expect(device.carbon!.likely).toBeCloseTo(device.energy!.likely * 450, 9);
  });
});

describe('the estimated memory', () => {
  const training = { ...estimateRequest().training, microBatch: 32, contextLength: 256 };
  const device = estimate(estimateRequest({ training, targets: [{ ...measuredCpu, memory: 4e8 }] })).here[0]!;

  it('is the sum of its parts', () => {
    const { parts, total } = device.memory;
    expect(parts.reduce((n, p) => n + p.bytes, 0)).toBeCloseTo(total.likely, 3);
  });

  it('comes with alternatives that need less if it does not fit', () => {
    expect(device.verdict).toBe('does not fit');
    expect(device.alternatives!.length).toBeGreaterThan(0);
    for (const { change, bytes } of device.alternatives!) {
      expect(bytes).toBeLessThan(device.memory.total.likely);
      const changed = estimate(estimateRequest({ training: { ...training, ...change } }));
      expect(changed.here[0]!.memory.total.likely).toBeCloseTo(bytes, 3);
    }
  });
});

it('of distillation includes the memory and the forward passes of the source', () => {
  const source = subjectOf({ ...llamaConfig, hidden_size: 64, head_dim: 16, intermediate_size: 128 });
  const subject = { ...estimateRequest().subject, source };
  const training = { ...estimateRequest().training, distillWeight: 0.5 };
  const plain = estimate(estimateRequest());
  const distilled = estimate(estimateRequest({ subject, training }));
  const sourceBytes = (e: Estimate): number | undefined =>
    e.here[0]!.memory.parts.find((p) => p.what === 'Source')?.bytes;
  expect(sourceBytes(plain)).toBeUndefined();
  expect(sourceBytes(distilled)).toBe(4 * estimate(estimateRequest({ subject: source })).parameters);
  expect(distilled.flops.perToken).toBeGreaterThan(plain.flops.perToken);
  expect(secondsHere(distilled)).toBeGreaterThan(secondsHere(plain));
  expect(distilled.offers[0]!.money.likely).toBeGreaterThan(plain.offers[0]!.money.likely);
  expect(distilled.here[0]!.memory.total.likely).toBeGreaterThan(plain.here[0]!.memory.total.likely);
});

describe('checkpoint averaging', () => {
  const plain = estimateWith({});
  const averaged = estimateWith({ averageCheckpoints: 5 });

  it('keeps as many checkpoints as it averages, at least two', () => {
    const kept = [plain, estimateWith({ averageCheckpoints: 1 }), averaged].map((e) => e.disk.kept);
    expect(kept).toEqual([2, 2, 5]);
    const { total, perSave, exported } = averaged.disk;
    expect(total).toBeCloseTo(5 * perSave + exported, 3);
  });

  it('holds a second model only for evaluation', () => {
    expect(memoryHere(averaged) - memoryHere(plain)).toBeCloseTo(4 * plain.parameters, 3);
    const without = estimateWith({ heldOut: 0 });
    expect(memoryHere(estimateWith({ averageCheckpoints: 5, heldOut: 0 }))).toBe(memoryHere(without));
  });

  it('evaluates the average at each save', () => {
    const evaluations = 1 + Math.ceil(plain.steps / 100);
    const saves = Math.ceil(plain.steps / 200);
    const without = estimateWith({ evaluateEvery: 0, heldOut: 0 });
    const perEvaluation = (secondsHere(plain) - secondsHere(without)) / evaluations;
    expect((secondsHere(averaged) - secondsHere(plain)) / saves).toBeCloseTo(perEvaluation, 9);
    expect(secondsHere(estimateWith({ emaDecay: 0.9 })) - secondsHere(plain)).toBeGreaterThan(0);
  });
});

it('of an export uses the types that the weights have in their files', () => {
  const { parameters, disk } = estimate(estimateRequest());
  const { subject } = estimateRequest();
  const tensors = parametersOf(families.get(subject.family)!, subject.dims, subject.settings).map(
    ({ name }) => ({ name, dtype: 'bfloat16' as const }),
  );
  expect(disk.exported).toBe(4 * parameters);
  const shorter = estimate(estimateRequest({ subject: { ...subject, tensors } }));
  expect(shorter.disk.exported).toBe(2 * parameters);
});

describe('the comparison with random weights', () => {
  /** GPT-2 medium grown from GPT-2: sizes inside the range that the law was fitted to. */
  const grown = {
    subject: subjectOf({ model_type: 'gpt2', n_embd: 1024, n_head: 16, n_layer: 24, n_positions: 1024 }),
    sourceParameters: 124e6,
    sourceTokens: 100e9,
    growthPromise: 'function-preserving',
  } as const;

  it('needs a growth that keeps the loss, and the tokens of the source', () => {
    const { scratch, scratchRefusal } = estimate(estimateRequest(grown));
    expect(scratchRefusal).toBeUndefined();
    expect(scratch!.tokens.low).toBeLessThan(scratch!.tokens.likely);
    expect(scratch!.money!.likely).toBeGreaterThan(0);
    const { sourceTokens, ...unknown } = grown;
    expect(sourceTokens).toBeGreaterThan(0);
    expect(estimate(estimateRequest(unknown))).toMatchObject({
      scratchRefusal: expect.stringMatching(/unknown/),
    });
    expect(estimate(estimateRequest(unknown)).scratch).toBeUndefined();
  });

  it.each(['old-logits', 'none'] as const)('says nothing of a growth that promises %s', (growthPromise) => {
    const result = estimate(estimateRequest({ ...grown, growthPromise }));
    expect([result.scratch, result.scratchRefusal]).toEqual([undefined, undefined]);
  });

  it('says nothing of a model that was not grown', () => {
    const { scratch, scratchRefusal } = estimate(estimateRequest());
    expect([scratch, scratchRefusal]).toEqual([undefined, undefined]);
  });
});
