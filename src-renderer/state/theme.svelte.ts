/**
 * @file The color theme: light, dark or that of the system. The server keeps the choice; the browser has a copy,
 * so that the page has its colors before it is connected.
 */
import { createContext } from 'svelte';
import { themeChoices, type ThemeChoice } from '../../src-main/contract/app-settings.ts';

export { themeChoices, type ThemeChoice } from '../../src-main/contract/app-settings.ts';
const storageKey = 'cambium.theme';

export class Theme {
  choice = $state<ThemeChoice>('system');
  #isSystemDark = $state(false);
  isDark = $derived(this.choice === 'dark' || (this.choice === 'system' && this.#isSystemDark));
  /** Stores a choice on the server. */
  #save: (choice: ThemeChoice) => unknown = () => undefined;

  constructor() {
    const stored = localStorage.getItem(storageKey);
    this.choice = themeChoices.find((choice) => choice === stored) ?? 'system';
    const query = window.matchMedia('(prefers-color-scheme: dark)');
    this.#isSystemDark = query.matches;
    query.addEventListener('change', (event) => {
      this.#isSystemDark = event.matches;
    });
  }

  /**
   * Takes the choice of the server, and stores later choices with `save`. A server without a choice gets that of this
   * browser.
   */
  connect(choice: ThemeChoice | null, save: (choice: ThemeChoice) => unknown): void {
    this.#save = save;
    if (choice !== null) this.#keep(choice);
    else if (this.choice !== 'system') save(this.choice);
  }

  setChoice(choice: ThemeChoice): void {
    this.#keep(choice);
    this.#save(choice);
  }

  #keep(choice: ThemeChoice): void {
    this.choice = choice;
    localStorage.setItem(storageKey, choice);
  }
}

const [useTheme, provideTheme] = createContext<Theme>();
export { useTheme, provideTheme };
