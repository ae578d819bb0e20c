/** @file Which norms of a forward pass become kernels. */
import { describe, expect, it } from 'vitest';
import { input, nodesOf, type Value } from '../../../src-main/graph/graph.ts';
import { allKernels } from '../../../src-main/graph/kernels.ts';
import { add, mul } from '../../../src-main/graph/ops/elementwise.ts';
import { widestRow } from '../../../src-main/graph/ops/kernels/norm.ts';
import { layerNorm } from '../../../src-main/graph/ops/norm.ts';
import { useKernels } from '../../../src-main/graph/passes/use-kernels.ts';

const rows = (width: number, name = 'x'): Value => input(name, 'float32', [2, width]);
const row = (width: number, name: string): Value => input(name, 'float32', [width]);

/** The operators of the forward pass after the choice of kernels, inputs first. */
const opsOf = (...values: readonly Value[]): readonly string[] =>
  nodesOf(useKernels(values, allKernels)).map(({ op }) => op.name);

describe('a layer norm', () => {
  const [x, gain, shift] = [rows(8), row(8, 'gain'), row(8, 'shift')];
  const norm = layerNorm(x, 1e-5, gain);

  it('takes its shift and the addition before it', () => {
    expect(opsOf(add(norm, shift))).toEqual(['FusedLayerNorm']);
    const total = add(x, rows(8, 'residual'));
    expect(opsOf(add(layerNorm(total, 1e-5, gain), shift), total)).toEqual(['AddLayerNorm']);
  });

  it('leaves a shift that is not its own', () => {
    expect(opsOf(add(norm, shift), mul(norm, x))).toEqual(['FusedLayerNorm', 'Add', 'Mul']);
    expect(opsOf(add(norm, x))).toEqual(['FusedLayerNorm', 'Add']);
    const late = mul(shift, shift);
    expect(opsOf(add(norm, late))).toEqual(['Mul', 'FusedLayerNorm', 'Add']);
  });

  it('stays as it is where its row is too wide for a kernel', () => {
    const width = widestRow + 1;
    expect(opsOf(layerNorm(rows(width), 1e-5, row(width, 'gain')))).toEqual(['LayerNorm']);
  });
});
