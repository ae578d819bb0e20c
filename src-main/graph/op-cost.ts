/** @file Costs that many operators share. */
import type { OpCost } from './graph.ts';

/** A view: costs nothing. */
export const viewCost: OpCost = { products: null, extraPasses: null, functions: 0 };

/** Reads its inputs and writes its outputs once. */
export const streamingCost: OpCost = { products: null, extraPasses: 0, functions: 0 };

/** `streamingCost` plus `perElement` transcendental functions for each element of the output. */
export const functionCost = (perElement: number): OpCost => ({ ...streamingCost, functions: perElement });
