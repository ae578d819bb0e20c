/**
 * @file New versions: looked for where the installer came from, fetched only when the person agrees, put in
 * place when they leave.
 */
import { app, dialog } from 'electron';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import updater from 'electron-updater';

/**
 * Whether this installation knows where its updates are: one from a workflow does, one's own build and a
 * checkout do not.
 */
export const updatesHere = (): boolean =>
  app.isPackaged && existsSync(join(process.resourcesPath, 'app-update.yml'));

/**
 * Asks whether there is a newer version. `quiet`: says nothing when there is none, or when it can't be told.
 */
export async function offerUpdate(quiet: boolean): Promise<void> {
  const say = async (message: string, detail: string): Promise<void> => {
    if (!quiet) await dialog.showMessageBox({ message, detail, buttons: ['OK'] });
  };
  if (!updatesHere()) {
    await say(
      'This copy of Cambium does not update itself.',
      'It was not installed by one of its installers. Fetch the newer version where you got this one.',
    );
    return;
  }
  const { autoUpdater } = updater;
  autoUpdater.autoDownload = false;
  autoUpdater.autoInstallOnAppQuit = true;
  try {
    const found = await autoUpdater.checkForUpdates();
    if (!found?.isUpdateAvailable) {
      await say('Cambium is up to date.', `Version ${app.getVersion()}`);
      return;
    }
    const { response } = await dialog.showMessageBox({
      message: `Cambium ${found.updateInfo.version} is there.`,
      detail: `You have ${app.getVersion()}. It is put in place when you quit; runs go on from their last save.`,
      buttons: ['Download', 'Not now'],
      defaultId: 0,
      cancelId: 1,
    });
    if (response === 0) await autoUpdater.downloadUpdate();
  } catch (error) {
    await say(
      'It could not be told whether there is a newer version.',
      error instanceof Error ? error.message : String(error),
    );
  }
}
