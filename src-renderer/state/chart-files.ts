/** @file A chart as a file: its numbers as CSV, its lines as SVG, its canvas as PNG. */
import type uPlot from 'uplot';

/** Columns under these names; what is absent is empty. */
export function csvOf(data: uPlot.AlignedData, names: readonly string[]): string {
  const quoted = (name: string): string => (/[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
  const rows = Array.from(data[0], (_, i) =>
    data
      .map((column) => {
        const value = column[i];
        return value === null || value === undefined || Number.isNaN(value) ? '' : String(value);
      })
      .join(','),
  );
  return `${[names.map(quoted).join(','), ...rows].join('\n')}\n`;
}

export interface DrawnLine {
  readonly label: string;
  readonly colour: string;
  readonly width: number;
  readonly points?: boolean;
  readonly dash?: readonly number[];
}
export interface Drawing {
  readonly title: string;
  readonly xLabel: string;
  readonly lines: readonly DrawnLine[];
  readonly logY: boolean;
  readonly ink: string;
  readonly ground: string;
  readonly x: { readonly min: number; readonly max: number };
  readonly y: { readonly min: number; readonly max: number };
  readonly formatX: (x: number) => string;
  readonly formatY: (y: number) => string;
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** The part of the data that is in view, as lines with axes and a legend. */
export function svgOf(
  data: uPlot.AlignedData,
  { title, xLabel, lines, logY, ink, ground, x, y, formatX, formatY }: Drawing,
): string {
  const [width, height, left, right, top, bottom] = [960, 540, 72, 24, 48, 64];
  const scale = logY ? Math.log : (v: number): number => v;
  const px = (v: number): number => left + ((v - x.min) / (x.max - x.min || 1)) * (width - left - right);
  const py = (v: number): number =>
    height -
    bottom -
    ((scale(v) - scale(y.min)) / (scale(y.max) - scale(y.min) || 1)) * (height - top - bottom);
  const ticks = (min: number, max: number, n: number, log = false): number[] =>
    Array.from({ length: n + 1 }, (_, i) =>
      log ? Math.exp(Math.log(min) + ((Math.log(max) - Math.log(min)) * i) / n) : min + ((max - min) * i) / n,
    );
  const drawn = lines.map(({ colour, width: stroke, points, dash }, i) => {
    const at = Array.from(data[0]).flatMap((v, j) => {
      const value = data[i + 1]?.[j];
      return typeof value === 'number' && Number.isFinite(value) && v >= x.min && v <= x.max
        ? [[px(v).toFixed(1), py(value).toFixed(1)] as const]
        : [];
    });
    return points
      ? at.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="none" stroke="${colour}"/>`).join('')
      : `<polyline fill="none" stroke="${colour}" stroke-width="${stroke}"${dash ? ` stroke-dasharray="${dash.join(' ')}"` : ''} points="${at.map((p) => p.join(',')).join(' ')}"/>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="${ink}">`,
    `<title>${escape(title)}</title><rect width="100%" height="100%" fill="${ground}"/>`,
    `<text x="${left}" y="26" font-size="15" font-weight="600">${escape(title)}</text>`,
    ...ticks(y.min, y.max, 5, logY).map(
      (v) =>
        `<line x1="${left}" x2="${width - right}" y1="${py(v).toFixed(1)}" y2="${py(v).toFixed(1)}" stroke="${ink}" stroke-opacity="0.15"/><text x="${left - 8}" y="${(py(v) + 4).toFixed(1)}" text-anchor="end">${escape(formatY(v))}</text>`,
    ),
    ...ticks(x.min, x.max, 6).map(
      (v) =>
        `<text x="${px(v).toFixed(1)}" y="${height - bottom + 20}" text-anchor="middle">${escape(formatX(v))}</text>`,
    ),
    `<text x="${(left + width - right) / 2}" y="${height - bottom + 38}" text-anchor="middle">${escape(xLabel)}</text>`,
    ...drawn,
    ...lines.map(
      ({ label, colour }, i) =>
        `<g transform="translate(${left + (i % 5) * 175} ${height - 12})"><rect y="-9" width="12" height="10" fill="${colour}"/><text x="18">${escape(label)}</text></g>`,
    ),
    '</svg>',
    '',
  ].join('\n');
}

/** Offers a file to the person. */
export function offer(name: string, content: Blob): void {
  const link = document.createElement('a');
  const address = URL.createObjectURL(content);
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(address);
  }, 10_000);
}

/** A canvas on its ground, because its own is transparent. */
export function pngOf(canvas: HTMLCanvasElement, ground: string): Promise<Blob> {
  const sheet = document.createElement('canvas');
  const pen = sheet.getContext('2d')!;
  [sheet.width, sheet.height] = [canvas.width, canvas.height];
  pen.fillStyle = ground;
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.drawImage(canvas, 0, 0);
  return new Promise((resolve, reject) => {
    sheet.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error('the picture could not be made'));
    }, 'image/png');
  });
}
