/** @file The limits of what a run of a program may ask of the device besides its kernels. */
import { expect } from 'vitest';
import { check } from './known.ts';
import type { Demands } from './measure.ts';

/** Bytes to and from the device: the batch and the scalars, and the reports. */
const maxCopiedBytes = 1e6;
/**
 * New device memory. A run on another thread of the pool than the runs before it gets handles of its own, which
 * hold a few kilobytes.
 */
const maxAllocatedBytes = 65_536;
/** Waits of the host: one for the reports. */
const maxWaits = 2;

/**
 * Expects that a program copies nothing but inputs and reports, allocates nothing once it has run twice,
 * hardly waits, and orders its work.
 */
export async function expectModestDemands(subject: string, demands: Demands): Promise<void> {
  expect(demands.kernels).toBeGreaterThan(0);
  await check(subject, 'copies', () => {
    expect(demands.bytesToDevice + demands.bytesToHost).toBeLessThanOrEqual(maxCopiedBytes);
  });
  await check(subject, 'allocations', () => {
    expect(demands.allocatedBytes).toBeLessThanOrEqual(maxAllocatedBytes);
  });
  await check(subject, 'waits', () => {
    expect(demands.waits).toBeLessThanOrEqual(maxWaits);
  });
  await check(subject, 'order', () => {
    expect(demands.races).toEqual({});
  });
}
