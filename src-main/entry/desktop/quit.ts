/** @file Quitting: asks while something is running, and saves it before the app ends. */
import { app, dialog, powerMonitor } from 'electron';

/** Milliseconds between two looks for work that keeps the app open without a window. */
const idleInterval = 1000;

export interface QuitOptions {
  /** Runs and jobs that are at work. */
  readonly countActive: () => number;
  readonly hasWindow: () => boolean;
  readonly closeWindow: () => void;
  /** Stops and saves everything. */
  readonly close: () => Promise<void>;
}

/** What to do with the work that is running. The index is the button of the dialog. */
const choices = ['keep', 'stop', 'cancel'] as const;

/** Asks what a quit does with `count` runs and jobs. */
export async function askToQuit(count: number): Promise<(typeof choices)[number]> {
  const work = count === 1 ? 'A run or a job is' : `${count} runs and jobs are`;
  const { response } = await dialog.showMessageBox({
    type: 'question',
    message: `${work} at work.`,
    detail:
      'It can go on without a window, and Cambium quits when it is done. Or it stops now: a run is saved and can be ' +
      'resumed.',
    buttons: ['Go on in the background', 'Stop and quit', 'Cancel'],
    defaultId: 0,
    cancelId: 2,
  });
  return choices[response] ?? 'cancel';
}

/** Decides what quitting and closing the last window do. Without work, both end the app. */
export function handleQuit(options: QuitOptions): void {
  const { countActive, hasWindow, closeWindow, close } = options;
  let state: 'open' | 'asking' | 'closing' = 'open';
  const stopAndQuit = (): void => {
    state = 'closing';
    void close().finally(() => {
      app.quit();
    });
  };
  app.on('window-all-closed', () => {
    if (countActive() === 0) {
      app.quit();
      return;
    }
    quitWhenIdle(countActive, hasWindow);
  });
  app.on('before-quit', (event) => {
    if (state === 'closing' || countActive() === 0) return;
    event.preventDefault();
    if (state === 'asking') return;
    state = 'asking';
    void askToQuit(countActive()).then((choice) => {
      state = 'open';
      if (choice === 'stop') stopAndQuit();
      else if (choice === 'keep' && hasWindow()) closeWindow();
      else if (choice === 'keep') quitWhenIdle(countActive, hasWindow);
    });
  });
  // The system does not wait for an answer.
  void app.whenReady().then(() => {
    powerMonitor.on('shutdown', stopAndQuit);
  });
}

/** Quits as soon as nothing is running, unless a window is opened before. */
function quitWhenIdle(countActive: () => number, hasWindow: () => boolean): void {
  const timer = setInterval(() => {
    if (!hasWindow() && countActive() > 0) return;
    clearInterval(timer);
    if (!hasWindow()) app.quit();
  }, idleInterval);
}
