/** @file The labels of the ticks of an axis. */

/** Formats the value of a tick with `digits` significant digits, or with those that suffice for most charts. */
export type TickFormat = (value: number, digits?: number) => string;

const mostDigits = 9;

/**
 * The label of each tick, with as many digits as it takes to tell the ticks apart. If the format has no more
 * digits, the first of the ticks with the same label keeps it and the others have none. Null has no label.
 */
export function labelTicks(ticks: readonly (number | null)[], format: TickFormat): string[] {
  const label = (digits?: number): string[] =>
    ticks.map((value) => (value === null ? '' : format(value, digits)));
  const usual = label();
  for (let digits = 3, labels = usual; digits <= mostDigits; digits++) {
    if (areDistinct(labels)) return labels;
    labels = label(digits + 1);
  }
  return usual.map((text, i) => (usual.indexOf(text) === i ? text : ''));
}

function areDistinct(labels: readonly string[]): boolean {
  const texts = labels.filter((text) => text !== '');
  return new Set(texts).size === texts.length;
}
