/** @file Light, dark, or as the system says; remembered on this computer. */
import { createContext } from 'svelte';

export type ThemeChoice = 'system' | 'light' | 'dark';
export const themeChoices: readonly ThemeChoice[] = ['system', 'light', 'dark'];
const key = 'cambium.theme';

export class Theme {
  choice = $state<ThemeChoice>('system');
  #system = $state(false);
  dark = $derived(this.choice === 'dark' || (this.choice === 'system' && this.#system));

  constructor() {
    const asked = localStorage.getItem(key);
    this.choice = themeChoices.find((choice) => choice === asked) ?? 'system';
    const query = window.matchMedia('(prefers-color-scheme: dark)');
    this.#system = query.matches;
    query.addEventListener('change', (event) => {
      this.#system = event.matches;
    });
  }

  choose(choice: ThemeChoice): void {
    this.choice = choice;
    localStorage.setItem(key, choice);
  }
}

const [useTheme, provideTheme] = createContext<Theme>();
export { useTheme, provideTheme };
