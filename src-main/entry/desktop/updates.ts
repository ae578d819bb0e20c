/** @file Updates of the app: downloaded if the person agrees, and installed when they quit. */
import { app, dialog } from 'electron';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import updater from 'electron-updater';
import { isSignedBy } from './update-signature.ts';

/** True if the installer told the app where its updates are. Local builds and checkouts have no updates. */
export const canUpdate = (): boolean =>
  app.isPackaged && existsSync(join(process.resourcesPath, 'app-update.yml'));

/** The public key of this release. The build replaces the variable by its value, so that it cannot be set later. */
const releaseKey = (): string => process.env.CAMBIUM_UPDATE_KEY ?? '';

/** Offers a newer version. With `quiet` nothing is shown if there is none, or if the check fails. */
export async function offerUpdate(quiet: boolean): Promise<void> {
  const inform = async (message: string, detail: string): Promise<void> => {
    if (!quiet) await dialog.showMessageBox({ message, detail, buttons: ['OK'] });
  };
  if (!canUpdate()) {
    await inform(
      'This copy of Cambium does not update automatically.',
      'It was not installed by an installer. Download the newer version where you got this one.',
    );
    return;
  }
  const { autoUpdater } = updater;
  autoUpdater.autoDownload = false;
  autoUpdater.autoInstallOnAppQuit = true;
  try {
    const found = await autoUpdater.checkForUpdates();
    if (!found?.isUpdateAvailable) {
      await inform('Cambium is up to date.', `Version ${app.getVersion()}`);
      return;
    }
    // Windows and macOS check the signature of the program itself.
    if (process.platform === 'linux' && !isSignedBy(releaseKey(), found.updateInfo))
      throw new Error(
        `Version ${found.updateInfo.version} is not signed with the key of this copy of Cambium.`,
      );
    if (await confirmDownload(found.updateInfo.version)) await autoUpdater.downloadUpdate();
  } catch (error) {
    await inform('Checking for updates failed.', error instanceof Error ? error.message : String(error));
  }
}

async function confirmDownload(version: string): Promise<boolean> {
  const { response } = await dialog.showMessageBox({
    message: `Cambium ${version} is available.`,
    detail:
      `You have ${app.getVersion()}. The new version is installed when you quit; ` +
      'runs can be resumed from their last save.',
    buttons: ['Download', 'Not now'],
    defaultId: 0,
    cancelId: 1,
  });
  return response === 0;
}
