/** @file What all pages have: a heading, an error message, the keyboard focus, and the time to paint. */
import type { Page } from 'playwright-core';

/** The error and the remedy that the page shows. */
export async function readAlert(page: Page): Promise<string> {
  const alert = page.getByRole('main').getByRole('alert').first();
  await alert.waitFor();
  return (await alert.innerText()).replace(/\s+/g, ' ').trim();
}

export const waitForHeading = async (page: Page, name: string | RegExp): Promise<void> =>
  page.getByRole('heading', { level: 1, name }).waitFor();

/** Milliseconds from each of `actions`, statements of JavaScript, to the layout of the page after it. */
export const measurePaintTimes = (page: Page, actions: readonly string[]): Promise<readonly number[]> =>
  page.evaluate<readonly number[]>(`(async () => {
  const times = [];
  for (const action of [${actions.map((action) => `() => { ${action} }`).join(', ')}]) {
    const start = performance.now();
    action();
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve;
      port2.postMessage(0);
    });
    document.body.getBoundingClientRect();
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return times;
})()`);
export const median = (times: readonly number[]): number =>
  [...times].sort((a, b) => a - b)[times.length >> 1]!;

interface Focus {
  readonly tag: string;
  readonly name: string;
  readonly hasOutline: boolean;
}

const readFocus = `(() => {
  const element = document.activeElement;
  const label = element.labels?.[0];
  const hasOutline = (one) => {
    const style = getComputedStyle(one);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
  };
  const text = element.getAttribute('aria-label') ?? label?.textContent ?? element.textContent;
  return {
    tag: element.tagName.toLowerCase(),
    name: text.replace(/\\s+/g, ' ').trim(),
    hasOutline: hasOutline(element) || (label?.contains(element) && hasOutline(label)),
  };
})()`;

/**
 * Presses Tab until the focus is on a control, at most `maxPresses` times, and returns how often. Throws if it is
 * not reached, or if a control on the way does not show its focus.
 */
export async function tabTo(
  page: Page,
  tag: string,
  name: string | RegExp,
  maxPresses = 80,
): Promise<number> {
  const passed: string[] = [];
  for (let i = 0; i < maxPresses; i++) {
    await page.keyboard.press('Tab');
    const focus = await page.evaluate<Focus>(readFocus);
    if (focus.tag === 'body') continue;
    const control = `${focus.tag} "${focus.name}"`;
    if (!focus.hasOutline) throw new Error(`${control} has the focus and does not show it`);
    const hasName = typeof name === 'string' ? focus.name === name : name.test(focus.name);
    if (focus.tag === tag && hasName) return i + 1;
    passed.push(control);
  }
  throw new Error(`Tab does not reach ${tag} ${String(name)}; it reached ${passed.join(', ')}`);
}
