/**
 * @file What every page has: its heading, the refusal it shows, the work under way, and the keyboard's place.
 */
import type { Page } from 'playwright-core';

/** The sentence and the remedy that the page shows. */
export async function alertOf(page: Page): Promise<string> {
  const alert = page.getByRole('main').getByRole('alert').first();
  await alert.waitFor();
  return (await alert.innerText()).replace(/\s+/g, ' ').trim();
}

export const heading = async (page: Page, name: string | RegExp): Promise<void> =>
  page.getByRole('heading', { level: 1, name }).waitFor();

/** Milliseconds from each of `acts`, statements of JavaScript, to the page as it will be painted after it. */
export const paintTimes = (page: Page, acts: readonly string[]): Promise<readonly number[]> =>
  page.evaluate<readonly number[]>(`(async () => {
  const times = [];
  for (const act of [${acts.map((act) => `() => { ${act} }`).join(', ')}]) {
    const since = performance.now();
    act();
    await new Promise((good) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = good; port2.postMessage(0); });
    document.body.getBoundingClientRect();
    times.push(performance.now() - since);
    await new Promise((good) => setTimeout(good, 30));
  }
  return times;
})()`);
export const medianOf = (times: readonly number[]): number =>
  [...times].sort((a, b) => a - b)[times.length >> 1]!;

interface Focus {
  readonly tag: string;
  readonly name: string;
  readonly outlined: boolean;
}

const focused = `(() => {
  const at = document.activeElement, label = at.labels?.[0];
  const outlined = (element) => { const style = getComputedStyle(element); return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0; };
  return { tag: at.tagName.toLowerCase(), name: (at.getAttribute('aria-label') ?? label?.textContent ?? at.textContent).replace(/\\s+/g, ' ').trim(), outlined: outlined(at) || (label?.contains(at) && outlined(label)) };
})()`;

/**
 * Presses Tab until the focus is on this control; a control on the way without a visible focus, or one that
 * cannot be reached, is an error.
 */
export async function tabTo(page: Page, tag: string, name: string | RegExp, most = 80): Promise<void> {
  const passed: string[] = [];
  for (let i = 0; i < most; i++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate<Focus>(focused);
    if (at.tag === 'body') continue;
    if (!at.outlined) throw new Error(`${at.tag} "${at.name}" has the focus and does not show it`);
    if (at.tag === tag && (typeof name === 'string' ? at.name === name : name.test(at.name))) return;
    passed.push(`${at.tag} "${at.name}"`);
  }
  throw new Error(`Tab does not reach ${tag} ${String(name)}; it passed ${passed.join(', ')}`);
}
