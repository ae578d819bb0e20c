/** @file Counts what moves on a page by itself (Layout Instability API): shifts soon after an input are left out. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const observe = `new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const moved = entry.sources.map(({ node, previousRect: from, currentRect: to }) => {
      const name = node?.nodeType === 1 ? node.outerHTML.slice(0, 120) : node?.textContent?.slice(0, 60);
      return name + ' from ' + [from.x, from.y, from.width, from.height] + ' to ' + [to.x, to.y, to.width, to.height];
    });
    (globalThis.layoutShifts ??= []).push({ value: entry.value, moved });
  }
}).observe({ type: 'layout-shift', buffered: false });`;

interface LayoutShift {
  readonly value: number;
  /** What moved, and from where to where. */
  readonly moved: readonly string[];
}

/** Starts to record, with an empty list. */
export const recordLayoutShifts = (page: Page): Promise<void> =>
  page.evaluate(`(() => {
    globalThis.layoutShifts = [];
    if (globalThis.isRecordingShifts) return;
    globalThis.isRecordingShifts = true;
    ${observe}
  })()`);

/** The shifts since the recording began, after the next frame. */
const readLayoutShifts = (page: Page): Promise<readonly LayoutShift[]> =>
  page.evaluate<readonly LayoutShift[]>(`new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(() => resolve(globalThis.layoutShifts), 100));
  })`);

/** Checks that the shifts since the recording began add up to 0.00, and shows what moved if they do not. */
export async function expectNoLayoutShift(page: Page): Promise<void> {
  const shifts = await readLayoutShifts(page);
  const sum = shifts.reduce((total, { value }) => total + value, 0);
  expect(sum.toFixed(2), JSON.stringify(shifts, null, 1)).toBe('0.00');
}
