/**
 * @file A GPU box used from the page: named, reached through a stand-in for ssh, worked on, left, and found
 * again with its work going on.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { root, scenario, screenshots, skipped } from './app.ts';
import { alertOf, heading } from './pages/frame.ts';
import { library } from './pages/library.ts';
import { checkpointPage } from './pages/checkpoint.ts';

if (process.platform === 'win32') skipped('a GPU box', 'its stand-in for ssh is a script');
else {
  scenario('a GPU box', (app) => {
    const box = join(app.dir, 'box');
    const bin = join(app.dir, 'bin');
    const cambium = join(root, 'bin', 'cambium.mjs');
    beforeAll(async () => {
      mkdirSync(bin);
      symlinkSync(join(root, 'tests/support/ssh.mjs'), join(bin, 'ssh'));
      Object.assign(app.environment, {
        PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
        BOX_HOME: box,
      });
      app.allow(/ERR_CONNECTION_REFUSED/);
      await app.endServer('SIGTERM');
      await app.serve();
      await app.open();
    });
    afterAll(() => {
      execFileSync(process.execPath, [cambium, 'serve', '--stop'], {
        env: { ...process.env, CAMBIUM_HOME: box },
      });
    });
    const here = async (): Promise<void> => {
      await app.page.getByRole('navigation').getByRole('link', { name: 'This computer' }).click();
      await heading(app.page, 'This computer');
    };
    const add = async (
      name: string,
      target: string,
      command = `"${process.execPath}" "${cambium}"`,
    ): Promise<void> => {
      await app.page.getByLabel('Name').fill(name);
      await app.page.getByLabel('ssh target').fill(target);
      await app.page.getByLabel('Its command for Cambium').fill(command);
      await app.page.getByRole('button', { name: 'Add the box' }).click();
      await app.page.getByRole('button', { name: new RegExp(`Go there.*${name}`) }).waitFor();
    };

    it('is named, and says what is wrong where it cannot be reached', async () => {
      await here();
      await add('nowhere', 'me@nowhere');
      await app.page.getByRole('button', { name: /Go there.*nowhere/ }).click();
      expect(await alertOf(app.page)).toMatch(
        /nowhere cannot be reached: ssh: Could not resolve hostname me@nowhere/i,
      );
      await app.page.getByRole('button', { name: 'Back to this computer' }).click();
      await here();
      await app.page.getByRole('button', { name: /Forget….*nowhere/ }).click();
      await app.page.getByRole('button', { name: /Forget nowhere/ }).click();
      await app.page.getByRole('button', { name: /Go there.*nowhere/ }).waitFor({ state: 'detached' });
    });

    it('works as this computer does, with its own models and its own folder', async () => {
      await add('box', 'me@box');
      mkdirSync(screenshots, { recursive: true });
      await app.page.screenshot({ path: join(screenshots, 'places.png'), fullPage: true });
      await app.page.getByRole('button', { name: /Go there.*box/ }).click();
      await app.page.getByTestId('drop-zone').waitFor();
      await library(app.page).type(await app.checkpoint('on-the-box'));
      await checkpointPage(app.page).opened('on-the-box');
      await app.page.getByRole('navigation').getByRole('link', { name: 'box' }).click();
      await heading(app.page, 'box');
      await app.page.getByText(box, { exact: true }).waitFor();
      await app.page.screenshot({ path: join(screenshots, 'place.png'), fullPage: true });
    });

    it('keeps its own list, and home its own', async () => {
      await app.page.getByRole('button', { name: 'Back to this computer' }).click();
      await app.page.getByTestId('drop-zone').waitFor();
      expect(await app.page.getByText('on-the-box').count()).toBe(0);
    });
  });
}
