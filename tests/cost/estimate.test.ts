import { describe, expect, it } from 'vitest';
import { assumptionDefaults, assumptionOptions } from '../../src-main/cost/assumptions.ts';
import { ageOf, factsOf, pricesOf } from '../../src-main/cost/book.ts';
import { compareWithEstimate, correctionOf, describeAccuracy, type Ratio } from '../../src-main/cost/calibration.ts';
import { estimate, type Estimate, type EstimateRequest } from '../../src-main/cost/estimate.ts';
import { verdictOf } from '../../src-main/cost/memory.ts';
import { costOf, ratioOf, createRecord, type RunActuals } from '../../src-main/cost/record.ts';
import { fromScratch, lossAt, laws, tokensTo } from '../../src-main/cost/scratch.ts';
import { secondsOf } from '../../src-main/cost/speed.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { bare, book, cpu, subjectOf, unmeasured } from './subjects.ts';

const model = {
  model_type: 'llama',
  vocab_size: 1024,
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 32,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: true,
};
const asked = (change: Partial<EstimateRequest> = {}): EstimateRequest => ({
  subject: subjectOf(model),
  training: { ...trainingDefaults, microBatch: 4, contextLength: 64, tokens: 100_000 },
  targets: [cpu],
  book,
  assumptions: assumptionDefaults,
  ...change,
});

describe('the book', () => {
  it('takes the most particular description, and an unknown card for nothing', () => {
    expect(factsOf(book, 'NVIDIA Small-Card Plus (rev 2)')?.id).toBe('small-plus');
    expect(factsOf(book, 'small card')?.id).toBe('small');
    expect(factsOf(book, 'Large Card')).toBeUndefined();
    expect(factsOf(book, 'Smaller Card')).toBeUndefined();
    expect(factsOf(book, 'small card', 'cpu')).toBeUndefined();
  });
  it('has prices cheapest first, with their age', () => {
    expect(pricesOf(book, 'small-plus').map((p) => p.provider)).toEqual(['B', 'A']);
    expect(ageOf({ date: '2026-11-01' }, '2026-11-21T10:00:00Z')).toBe(20);
  });
});

describe('estimate', () => {
  it('of time is steps times the work at measured rates, and evaluations beside', () => {
    const e = estimate(asked({ training: { ...asked().training, heldOut: 0 } }));
    const [on] = e.here;
    expect(e.steps).toBe(Math.ceil(100_000 / 256));
    expect(on!.seconds!.likely).toBeCloseTo(e.steps * on!.step!.plain, 9);
    expect(on!.tokensPerSecond!.likely).toBeCloseTo(256 / on!.step!.seconds, 6);
    expect(estimate(asked()).here[0]!.seconds!.likely).toBeGreaterThan(on!.seconds!.likely);
    expect(
      secondsOf({ flops: 2e11, thin: 2e10, bytes: 2e10, functions: 2e9, nodes: 200_000 }, cpu.measured!),
    ).toBeCloseTo(1 + 1 + 1 + 1 + 1, 9);
  });

  it('of money puts the person\u2019s own first, then the cheapest; each price keeps its source and date', () => {
    const own = estimate(asked({ assumptions: { ...assumptionDefaults, ownPrice: 2 } }));
    const [first, ...rented] = own.offers;
    expect(first).toMatchObject({ own: true, price: null });
    expect(first!.money.likely).toBeCloseTo((2 * own.here[0]!.seconds!.likely) / 3600, 12);
    expect(rented).toHaveLength(3);
    expect(rented.map((o) => o.money.likely)).toEqual(
      [...rented].sort((a, b) => a.money.likely - b.money.likely).map((o) => o.money.likely),
    );
    for (const o of rented)
      expect([o.price!.source, o.price!.date]).toEqual(
        book.prices
          .filter((p) => p.provider === o.price!.provider && p.device === o.device)
          .map((p) => [p.source, p.date])[0],
      );
    const electricity = estimate(asked()).offers[0]!;
    const on = estimate(asked()).here[0]!;
    expect(electricity.money.likely).toBeCloseTo(on.energy!.likely * assumptionDefaults.tariff, 12);
    expect(on.energy!.likely).toBeCloseTo((4 * 10 * 0.8 * 1.1 * on.seconds!.likely) / 3.6e6, 12);
    expect(on.carbon!.likely).toBeCloseTo(on.energy!.likely * 450, 9);
  });

  it('says of a device without facts and measurements that its speed is unknown, and takes no other for it', () => {
    const e = estimate(asked({ targets: [bare] }));
    expect(e.here[0]!.seconds).toBeUndefined();
    expect(e.here[0]!.basis).toMatch(/measure/);
    expect(e.offers.every((o) => !o.own)).toBe(true);
  });

  it('of time from a peak is a band as wide as the utilisation', () => {
    const seconds = estimate(
      asked({ targets: [unmeasured], assumptions: { ...assumptionDefaults, launch: 0 } }),
    ).here[0]!.seconds!;
    expect(seconds.high / seconds.low).toBeCloseTo(3, 6);
    expect(seconds.likely).toBeCloseTo(Math.sqrt(seconds.high * seconds.low), 9);
  });

  it('has parts that add up, and every alternative is computed and needs less', () => {
    const large = { ...asked().training, microBatch: 32, contextLength: 256 };
    const { memory, alternatives, verdict } = estimate(
      asked({ training: large, targets: [{ ...cpu, memory: 4e8 }] }),
    ).here[0]!;
    expect(memory.parts.reduce((n, p) => n + p.bytes, 0)).toBeCloseTo(memory.total.likely, 3);
    expect(verdict).toBe('does not fit');
    expect(alternatives!.length).toBeGreaterThan(0);
    for (const a of alternatives!) {
      expect(a.bytes).toBeLessThan(memory.total.likely);
      expect(
        estimate(asked({ training: { ...large, ...a.change } })).here[0]!.memory.total.likely,
      ).toBeCloseTo(a.bytes, 3);
    }
    expect([verdictOf(1, 10), verdictOf(9.5, 10), verdictOf(11, 10), verdictOf(1, null)]).toEqual([
      'fits',
      'tight',
      'does not fit',
      'unknown',
    ]);
  });

  it('of learning from a source holds it beside, and takes longer', () => {
    const source = subjectOf({ ...model, hidden_size: 64, head_dim: 16, intermediate_size: 128 });
    const training = { ...asked().training, distillWeight: 0.5 };
    const [plain, taught] = [asked(), asked({ subject: { ...asked().subject, source }, training })].map((r) =>
      estimate(r),
    ) as [Estimate, Estimate];
    const part = (e: Estimate): number | undefined =>
      e.here[0]!.memory.parts.find((p) => p.what === 'Source')?.bytes;
    expect([part(plain), part(taught)]).toEqual([
      undefined,
      4 * estimate(asked({ subject: source })).parameters,
    ]);
    expect(taught.flops.perToken).toBeGreaterThan(plain.flops.perToken);
    for (const of of [
      (e: Estimate) => e.here[0]!.seconds!.likely,
      (e: Estimate) => e.offers[0]!.money.likely,
      (e: Estimate) => e.here[0]!.memory.total.likely,
    ])
      expect(of(taught)).toBeGreaterThan(of(plain));
  });

  it('of averages holds the mean of what was saved, evaluates it, and keeps as many states', () => {
    const of = (change: Partial<TrainingSettings>): Estimate =>
      estimate(asked({ training: { ...asked().training, ...change } }));
    const [plain, mean] = [of({}), of({ averageCheckpoints: 5 })];
    const steps = plain.steps;
    const memory = (e: Estimate): number => e.here[0]!.memory.parts.reduce((n, p) => n + p.bytes, 0);
    const seconds = (e: Estimate): number => e.here[0]!.seconds!.likely;
    const once = seconds(plain) - seconds(of({ evaluateEvery: 0, heldOut: 0 }));
    expect([plain.disk.kept, of({ averageCheckpoints: 1 }).disk.kept, mean.disk.kept]).toEqual([2, 2, 5]);
    expect(mean.disk.total).toBeCloseTo(5 * mean.disk.perSave + mean.disk.exported, 3);
    expect(memory(mean) - memory(plain)).toBeCloseTo(4 * plain.parameters, 3);
    expect((seconds(mean) - seconds(plain)) / Math.ceil(steps / 200)).toBeCloseTo(
      once / (1 + Math.ceil(steps / 100)),
      9,
    );
    expect(seconds(of({ emaDecay: 0.9 })) - seconds(plain)).toBeGreaterThan(0);
    expect(memory(of({ averageCheckpoints: 5, heldOut: 0 }))).toBe(memory(of({ heldOut: 0 })));
  });

  it('of an export is in the types that the weights have in their files', () => {
    const { parameters, disk } = estimate(asked());
    const { family, dims, settings } = asked().subject;
    const tensors = parametersOf(families.get(family)!, dims, settings).map(({ name }) => ({
      name,
      dtype: 'bfloat16' as const,
    }));
    expect(disk.exported).toBe(4 * parameters);
    expect(estimate(asked({ subject: { ...asked().subject, tensors } })).disk.exported).toBe(2 * parameters);
  });

  it('of a small model on a GPU waits for its operators to start, and for what they move', () => {
    const seconds = (assumptions: Partial<typeof assumptionDefaults>, bandwidth: number): number =>
      estimate(
        asked({
          assumptions: { ...assumptionDefaults, ...assumptions },
          book: { ...book, devices: book.devices.map((d) => ({ ...d, bandwidth })) },
        }),
      ).offers.find((o) => o.device === 'small')!.seconds.likely;
    expect(seconds({ launch: 10 }, 1e12)).toBeGreaterThan(2 * seconds({ launch: 0 }, 1e12));
    expect(seconds({ launch: 0 }, 1e9)).toBeGreaterThan(2 * seconds({ launch: 0 }, 1e15));
  });

  it('is made for bfloat16 where a device has it, and only there', () => {
    const still = {
      book: { ...book, devices: book.devices.map((d) => ({ ...d, bandwidth: null })) },
      assumptions: { ...assumptionDefaults, launch: 0 },
    };
    const e = estimate(asked({ ...still, training: { ...asked().training, precision: 'bfloat16' } }));
    expect(e.here).toEqual([]);
    expect(e.offers.length).toBe(3);
    expect(() =>
      estimate(asked({ training: { ...asked().training, precision: 'bfloat16', device: 'cpu' } })),
    ).toThrow(expect.objectContaining({ code: 'run/precision' }) as Error);
    expect(
      estimate(asked({ training: { ...asked().training, precision: 'bfloat16', device: 'cuda' } })).offers
        .length,
    ).toBe(3);
    const plain = estimate(asked(still));
    expect(e.offers.find((o) => o.device === 'small')!.seconds.likely).toBeCloseTo(
      plain.offers.find((o) => o.device === 'small')!.seconds.likely / 10,
      3,
    );
  });

  it('has a price for the same size from random weights, by the law it names', () => {
    const e = estimate(asked({ sourceParameters: 200_000 }));
    expect(e.scratch!.tokens.low).toBeLessThan(e.scratch!.tokens.likely);
    expect(e.scratch!.money!.likely).toBeGreaterThan(0);
    expect(estimate(asked()).scratch).toBeUndefined();
    for (const law of laws)
      expect(lossAt(law, 1e9, tokensTo(law, 1e9, lossAt(law, 5e8, 1e10)))).toBeCloseTo(
        lossAt(law, 5e8, 1e10),
        9,
      );
    expect(fromScratch(5e8, 1e9, 20).tokens.likely).toBeLessThan(1e10);
    expect(tokensTo(laws[0]!, 1e6, 1)).toBe(Infinity);
  });

  it('hides nothing it assumes: each has a unit or a share, a range that holds its default, and a reason', () => {
    expect(assumptionOptions.map((o) => o.id).sort()).toEqual(Object.keys(assumptionDefaults).sort());
    for (const o of assumptionOptions)
      expect(
        o.kind === 'number' && o.default! >= o.min && o.default! <= o.max && o.help.length > 20,
      ).toBe(true);
  });
});

describe('what runs teach', () => {
  const past = (...times: number[]): Ratio[] =>
    times.map((time, i) => ({
      precision: 'float32',
      basis: 'measured',
      run: `r${i}`,
      at: `2026-11-2${i}`,
      time,
      memory: null,
      corrected: time,
    }));
  it('is the median of the last three, with how far they lay', () => {
    expect(correctionOf([])).toEqual({ factor: 1, spread: 0 });
    expect(correctionOf([1.2, 1.1, 1.3, 9]).factor).toBe(1.2);
    expect(describeAccuracy(past(1.1, 0.95, 1.02))).toBe('last 3 runs: within 10 %');
    expect(describeAccuracy(past(1.2))).toBe('last run: within 20 %');
    expect(describeAccuracy(past(4, 1))).toBe('last 2 runs: within a factor of 4.0');
    expect([compareWithEstimate(1, 1), compareWithEstimate(1.1, 1), compareWithEstimate(0.9, 1), compareWithEstimate(27, 1)]).toEqual([
      'as estimated',
      '10 % more than estimated',
      '10 % less than estimated',
      '27 times the estimate',
    ]);
    expect(describeAccuracy([])).toBeUndefined();
  });

  it('corrects the next estimate and narrows its band', () => {
    const plain = estimate(asked()).here[0]!;
    const taught = estimate(asked({ targets: [{ ...cpu, past: past(1.2, 1.25, 1.18) }] })).here[0]!;
    expect(taught.step!.seconds).toBeCloseTo(1.2 * plain.step!.plain, 9);
    expect(taught.step!.plain).toBe(plain.step!.plain);
    expect(taught.seconds!.high / taught.seconds!.low).toBeLessThan(plain.seconds!.high / plain.seconds!.low);
    expect(taught.record).toMatch(/3 runs/);
    const other = estimate(
      asked({
        targets: [{ ...cpu, past: past(1.2).map((p) => ({ ...p, precision: 'bfloat16' as const })) }],
      }),
    ).here[0]!;
    expect(other.step!.seconds).toBe(plain.step!.seconds);
    for (const basis of [{ basis: 'peak' as const }, {}]) {
      const runs = past(1.2).map(({ basis: _, ...p }) => ({ ...p, memory: 2, ...basis }));
      const of = estimate(asked({ targets: [{ ...cpu, past: runs }] })).here[0]!;
      expect([of.step!.seconds, of.memory.total.likely]).toEqual([
        plain.step!.seconds,
        2 * plain.memory.total.likely,
      ]);
      expect(
        estimate(asked({ targets: [{ ...unmeasured, past: runs }] })).here[0]!.step!.seconds /
          estimate(asked({ targets: [unmeasured] })).here[0]!.step!.seconds,
      ).toBeCloseTo('basis' in basis ? 1.2 : 1, 9);
    }
  });

  it('is kept with the run, with the price and its time, and never worked out again', () => {
    const e = estimate(asked());
    const record = createRecord(
      e,
      {
        assumptions: assumptionDefaults,
        memoryCorrection: 1,
        settings: asked().training,
        time: '2026-11-21T12:00:00Z',
      },
    )!;
    expect(record.price).toEqual({
      value: 0.3,
      unit: 'kWh',
      source: 'your tariff',
      time: '2026-11-21T12:00:00Z',
    });
    const actual: RunActuals = {
      steps: 40,
      tokens: 1,
      seconds: 100,
      stepSeconds: 2 * record.estimate!.uncorrectedStepSeconds,
      memory: record.estimate!.uncorrectedMemory * 1.1,
      energy: 2,
      powerSource: 'assumed',
      cost: 1,
      time: '2026-11-21T13:00:00Z',
    };
    expect(ratioOf('r', { ...record, actual })).toMatchObject({ time: 2, corrected: 2 });
    expect(ratioOf('r', { ...record, actual })!.memory).toBeCloseTo(1.1, 9);
    expect(ratioOf('r', { ...record, actual })!.basis).toBe('measured');
    expect(ratioOf('r', { ...record, actual: { ...actual, hasOtherSettings: true } })).toBeUndefined();
    expect(ratioOf('r', record)).toBeUndefined();
    expect(ratioOf('r', { ...record, actual: { ...actual, steps: 3 } })).toBeUndefined();
    expect(costOf(record, 3600, 2)).toBeCloseTo(0.6, 12);
    expect(costOf(record, 3600, null)).toBeNull();
    expect(costOf({ price: { value: 4, unit: 'hour', source: 's', time: 't' } }, 1800, null)).toBe(2);
  });
});
