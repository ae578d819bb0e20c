/** @file Tests of a remote host: it is added, reached through a fake ssh, used and left. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { root, scenario, screenshots, skipSuite } from './app.ts';
import { readAlert, waitForHeading } from './pages/common.ts';
import { library } from './pages/library.ts';
import { checkpointPage } from './pages/checkpoint.ts';

if (process.platform === 'win32') skipSuite('remote hosts', 'the fake ssh is a script');
else {
  scenario('remote hosts', (app) => {
    const hostHome = join(app.dir, 'host');
    const bin = join(app.dir, 'bin');
    const cambium = join(root, 'bin', 'cambium.mjs');
    beforeAll(async () => {
      mkdirSync(bin);
      symlinkSync(join(root, 'tests/support/ssh.mjs'), join(bin, 'ssh'));
      Object.assign(app.environment, {
        PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
        BOX_HOME: hostHome,
      });
      app.allowComplaints(/ERR_CONNECTION_REFUSED/);
      await app.stopServer('SIGTERM');
      await app.startServer();
      await app.openPage();
    });
    afterAll(() => {
      execFileSync(process.execPath, [cambium, 'serve', '--stop'], {
        env: { ...process.env, CAMBIUM_HOME: hostHome },
      });
    });
    const openSettings = async (): Promise<void> => {
      await app.page
        .getByRole('navigation', { name: 'Main' })
        .getByRole('link', { name: 'Settings' })
        .click();
      await waitForHeading(app.page, 'Settings');
    };
    const addHost = async (
      name: string,
      target: string,
      command = `"${process.execPath}" "${cambium}"`,
    ): Promise<void> => {
      await app.page.getByLabel('Name', { exact: true }).fill(name);
      await app.page.getByLabel('SSH target').fill(target);
      await app.page.getByLabel('Cambium command on the host').fill(command);
      await app.page.getByRole('button', { name: 'Add host' }).click();
      await app.page.getByRole('button', { name: new RegExp(`Connect.*${name}`) }).waitFor();
    };

    it('shows the error of a host that cannot be reached, and removes the host', async () => {
      await openSettings();
      await addHost('nowhere', 'me@nowhere');
      await app.page.getByRole('button', { name: /Connect.*nowhere/ }).click();
      expect(await readAlert(app.page)).toMatch(
        /cannot connect to nowhere: ssh: Could not resolve hostname me@nowhere/i,
      );
      await app.page.getByRole('banner').getByRole('button', { name: 'Back to this computer' }).click();
      await openSettings();
      await app.page.getByRole('button', { name: /Remove from list….*nowhere/ }).click();
      await app.page.getByRole('button', { name: /^Remove nowhere/ }).click();
      await app.page.getByRole('button', { name: /Connect.*nowhere/ }).waitFor({ state: 'detached' });
    });

    it('opens the models of the host, and shows its home folder', async () => {
      await addHost('gpu-server', 'me@box');
      mkdirSync(screenshots, { recursive: true });
      await app.page.screenshot({ path: join(screenshots, 'remote-hosts.png'), fullPage: true });
      await app.page.getByRole('button', { name: /Connect.*gpu-server/ }).click();
      await app.page.getByTestId('drop-zone').waitFor();
      await library(app.page).openPath(await app.createCheckpoint('on-the-host'));
      await checkpointPage(app.page).waitFor('on-the-host');
      await app.page
        .getByRole('navigation', { name: 'Main' })
        .getByRole('link', { name: 'gpu-server' })
        .click();
      await waitForHeading(app.page, 'gpu-server');
      await app.page.getByText(hostHome, { exact: true }).waitFor();
      await app.page.screenshot({ path: join(screenshots, 'remote-host.png'), fullPage: true });
    });

    it('does not add the models of the host to the list of this computer', async () => {
      await app.page.getByRole('banner').getByRole('button', { name: 'Back to this computer' }).click();
      await app.page.getByTestId('drop-zone').waitFor();
      expect(await app.page.getByText('on-the-host').count()).toBe(0);
    });
  });
}
