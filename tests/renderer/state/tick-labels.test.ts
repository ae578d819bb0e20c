import { describe, expect, it } from 'vitest';
import { formatDuration, formatNumber } from '../../../src-main/base/format.ts';
import { chartAxes } from '../../../src-renderer/state/chart-axes.ts';
import { labelTicks } from '../../../src-renderer/state/tick-labels.ts';

const formatLoss = (loss: number, digits = 3): string => formatNumber(loss, digits);

describe('labels of ticks', () => {
  it('keeps the usual digits if they tell the ticks apart', () => {
    expect(labelTicks([1, 1.5, 2], formatLoss)).toEqual(['1.00', '1.50', '2.00']);
  });

  it('shows more digits if the ticks are closer, and leaves none without a label', () => {
    expect(labelTicks([1.234, 1.2345, 1.235], formatLoss)).toEqual(['1.2340', '1.2345', '1.2350']);
  });

  it('leaves out ticks without a value, and repeated labels of a format without more digits', () => {
    expect(labelTicks([null, 1, null], formatLoss)).toEqual(['', '1.00', '']);
    expect(labelTicks([3600, 3601, 3700], formatDuration)).toEqual(['1 h 00 min', '', '1 h 02 min']);
  });

  it.each(chartAxes.filter(({ id }) => id !== 'time'))('tells near ticks of $label apart', ({ format }) => {
    const labels = labelTicks([1_234_500, 1_234_600, 1_234_700], format);
    expect(new Set(labels).size).toBe(3);
    expect(labels).not.toContain('');
  });
});
