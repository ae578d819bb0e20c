import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deviceBook } from '../../src-main/contract/cost.ts';
import type { DeviceBook, DeviceFacts } from '../../src-main/cost/book.ts';
import { estimateOnDevice, workloadOf, type DeviceEstimate } from '../../src-main/cost/device-estimate.ts';
import { rentalOffers } from '../../src-main/cost/offers.ts';
import type { Target } from '../../src-main/cost/speed.ts';
import { book, estimateRequest } from './subjects.ts';

const why = 'it has no kernels for this GPU';
const [small, ...others] = book.devices as [DeviceFacts, ...DeviceFacts[]];
const withoutCuda: DeviceBook = { ...book, devices: [{ ...small, noCuda: why }, ...others] };

const request = estimateRequest();
const estimateOn = (target: Target): DeviceEstimate =>
  estimateOnDevice(request, target, workloadOf(request.subject, request.training, target.kind, 10));

describe('a GPU that cannot run the CUDA provider', () => {
  it('is not offered for rent', () => {
    const offered = (from: DeviceBook): readonly string[] =>
      rentalOffers(from, estimateOn).map((offer) => offer.device);
    expect(offered(book)).toContain(small.id);
    expect(offered(withoutCuda)).not.toContain(small.id);
    expect(offered(withoutCuda)).toContain('small-plus');
  });

  it('has an estimate that says why, and no time', () => {
    const facts = withoutCuda.devices[0]!;
    const { id, name, memory } = facts;
    const target: Target = { id, name, memory, facts, kind: 'cuda', here: true, cores: 1, past: [] };
    const estimated = estimateOn(target);
    expect(estimated.basis).toBe(`cannot train: ${why}`);
    expect(estimated.seconds).toBeUndefined();
    expect(estimateOn({ ...target, kind: 'webgpu' }).seconds).toBeDefined();
  });

  it('is marked in the device book: those before Turing, and those of AMD', () => {
    const file = join(import.meta.dirname, '../../resources/devices.json');
    const { devices } = deviceBook.parse(JSON.parse(readFileSync(file, 'utf8')));
    const gpus = devices.filter((device) => device.kind === 'gpu');
    const marked = gpus.filter((device) => device.noCuda !== undefined).map((device) => device.id);
    expect(marked).toEqual(gpus.map((device) => device.id).filter((id) => /^(v100|mi3)/.test(id)));
    expect(marked).toContain('v100');
  });
});
