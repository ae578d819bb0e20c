import { beforeEach, describe, expect, it, vi } from 'vitest';
import { electron, fake } from './fake-electron.ts';

vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);
import { handleQuit } from '../../../src-main/entry/desktop/quit.ts';

const state = { active: 0, hasWindow: true, closed: 0, saved: 0 };
handleQuit({
  countActive: () => state.active,
  hasWindow: () => state.hasWindow,
  closeWindow: () => {
    state.closed++;
    state.hasWindow = false;
    electron.app.emit('window-all-closed');
  },
  close: () => {
    state.saved++;
    state.active = 0;
    return Promise.resolve();
  },
});

beforeEach(() => {
  vi.useFakeTimers();
  Object.assign(state, { active: 0, hasWindow: true, closed: 0, saved: 0 });
  fake.messageBoxes.length = 0;
  fake.quits = 0;
});
/** Quits, and returns whether the app was kept open for now. */
function quit(): boolean {
  let isPrevented = false;
  electron.app.emit('before-quit', {
    preventDefault: () => {
      isPrevented = true;
    },
  });
  return isPrevented;
}

describe('handleQuit', () => {
  it('quits at once when nothing is running', () => {
    expect(quit()).toBe(false);
    expect(fake.messageBoxes).toEqual([]);
    electron.app.emit('window-all-closed');
    expect(fake.quits).toBe(1);
  });

  it('asks while a run is at work, once, and does nothing if the person cancels', async () => {
    state.active = 1;
    fake.pressedButton = 2;
    expect([quit(), quit()]).toEqual([true, true]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(fake.messageBoxes).toMatchObject([{ message: 'A run or a job is at work.' }]);
    expect([state.closed, state.saved, fake.quits]).toEqual([0, 0, 0]);
  });

  it('lets the work go on without a window, and quits when it is done', async () => {
    state.active = 2;
    fake.pressedButton = 0;
    expect(quit()).toBe(true);
    await vi.advanceTimersByTimeAsync(5000);
    expect(fake.messageBoxes).toMatchObject([{ message: '2 runs and jobs are at work.' }]);
    expect([state.closed, state.saved, fake.quits]).toEqual([1, 0, 0]);
    state.active = 0;
    await vi.advanceTimersByTimeAsync(2000);
    expect(fake.quits).toBe(1);
  });

  it('stays open if a window is opened while the work goes on', async () => {
    state.active = 1;
    fake.pressedButton = 0;
    quit();
    await vi.advanceTimersByTimeAsync(0);
    state.hasWindow = true;
    state.active = 0;
    await vi.advanceTimersByTimeAsync(5000);
    expect(fake.quits).toBe(0);
  });

  it('saves the work and quits', async () => {
    state.active = 1;
    fake.pressedButton = 1;
    expect(quit()).toBe(true);
    await vi.advanceTimersByTimeAsync(0);
    expect([state.saved, fake.quits]).toEqual([1, 1]);
    expect(quit()).toBe(false);
  });
});
