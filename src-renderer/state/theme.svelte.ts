/** @file The color theme: light, dark or that of the system. The choice is stored in the browser. */
import { createContext } from 'svelte';

export type ThemeChoice = 'system' | 'light' | 'dark';
export const themeChoices: readonly ThemeChoice[] = ['system', 'light', 'dark'];
const storageKey = 'cambium.theme';

export class Theme {
  choice = $state<ThemeChoice>('system');
  #isSystemDark = $state(false);
  isDark = $derived(this.choice === 'dark' || (this.choice === 'system' && this.#isSystemDark));

  constructor() {
    const stored = localStorage.getItem(storageKey);
    this.choice = themeChoices.find((choice) => choice === stored) ?? 'system';
    const query = window.matchMedia('(prefers-color-scheme: dark)');
    this.#isSystemDark = query.matches;
    query.addEventListener('change', (event) => {
      this.#isSystemDark = event.matches;
    });
  }

  setChoice(choice: ThemeChoice): void {
    this.choice = choice;
    localStorage.setItem(storageKey, choice);
  }
}

const [useTheme, provideTheme] = createContext<Theme>();
export { useTheme, provideTheme };
