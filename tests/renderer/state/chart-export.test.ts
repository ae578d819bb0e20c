import { expect, it } from 'vitest';
import { formatCsv, renderSvg } from '../../../src-renderer/state/chart-export.ts';

it('formats CSV with empty cells for missing values and quoted names', () => {
  const csv = formatCsv(
    [
      [1, 2],
      [3, null],
      [Number.NaN, 4],
    ],
    ['x', 'a, b', 'c "d"'],
  );
  expect(csv).toBe('x,"a, b","c ""d"""\n1,3,\n2,,4\n');
});

it('renders SVG with escaped text and without missing points', () => {
  const svg = renderSvg(
    [
      [1, 2, 3],
      [4, null, 2],
    ],
    {
      title: 'a < b & "c"',
      xLabel: 'Steps',
      lines: [{ label: 'Loss', colour: '#123456', width: 2 }],
      logY: true,
      ink: '#000',
      background: '#fff',
      x: { min: 1, max: 3 },
      y: { min: 1, max: 5 },
      formatX: String,
      formatY: (y) => y.toFixed(1),
    },
  );
  expect(svg).toContain('<title>a &lt; b &amp; &quot;c&quot;</title>');
  expect(/points="([^"]+)"/.exec(svg)?.[1]?.split(' ')).toHaveLength(2);
});
