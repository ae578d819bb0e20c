/** @file Tests of the Hub pages with a local Hub and its faults: search, download, gated models, upload. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { isDesktop, timeout, scenario, type App } from './app.ts';
import { cacheFolder, addModels, hubToken, hubServer } from './hub-fixture.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { readAlert, waitForHeading, tabTo } from './pages/common.ts';
import { growingPage, growPage } from './pages/grow.ts';
import { hubPage, modelPage, pushPage } from './pages/hub.ts';
import { library } from './pages/library.ts';

const snapshotFolder = (app: App, repo: string): string => {
  const folder = join(cacheFolder(app, repo), 'snapshots');
  return join(folder, readdirSync(folder)[0]!);
};
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
/** Checks that the downloaded files are those of the Hub, without pickles. */
function expectDownloaded(app: App, repo: string): void {
  const model = hubServer.models.get(repo)!;
  const files = model.commits.get(model.branches.get('main')!)!;
  const dir = snapshotFolder(app, repo);
  const names = readdirSync(dir);
  expect(names.filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(0);
  for (const name of names) expect(sha256(readFileSync(join(dir, name))), name).toBe(files.get(name)!.sha);
  expect(names).not.toContain('pytorch_model.bin');
}
function slowDown(): void {
  hubServer.faults = [{ match: /GET cdn/, times: 9999, chunkDelayMs: 150 }];
}

scenario('the Hub', (app) => {
  const connectionErrors = /WebSocket|ERR_CONNECTION|net::/;
  beforeAll(() => addModels(app));
  afterEach(() => {
    hubServer.faults = [];
  });
  const openModel = (repo: string): Promise<unknown> => app.goTo(`model?repo=${repo}`);

  it('searches, sorts, filters and pages, and lists models that cannot be grown on request', async () => {
    const { page } = app;
    const hub = hubPage(page);
    await library(page).visit();
    await page.getByRole('main').getByRole('link', { name: 'Browse the Hub' }).click();
    await waitForHeading(page, 'Models on the Hugging Face Hub');
    await expect.poll(() => hub.readNames().then((names) => names.length), { timeout }).toBeGreaterThan(10);
    expect((await hub.readNames()).slice(0, 3)).toEqual([
      'forest/elm',
      'forest/oak-1m',
      expect.stringContaining('walled/garden'),
    ]);
    await hub.filter('Sort by', 'Most likes');
    await expect.poll(() => hub.readNames().then((names) => names[0])).toContain('walled/garden');
    await hub.filter('Licence', 'apache-2.0');
    await expect.poll(() => hub.readNames()).toEqual(['forest/oak-1m']);
    await hub.filter('Licence', 'Any licence');
    await hub.search('forest/');
    await expect.poll(() => hub.readNames()).toEqual(['forest/oak-1m', 'forest/elm']);
    await page.getByLabel('Include models that cannot be grown, with the reason').check();
    await expect
      .poll(() => hub.readNames().then((names) => [...names].sort()))
      .toEqual(['forest/elm', 'forest/oak-1m', 'forest/pickled', 'forest/strange']);
    expect(await hub.hits.filter({ hasText: 'forest/strange' }).innerText()).toContain(
      'Cambium does not support the model_type',
    );
    expect(await hub.hits.filter({ hasText: 'forest/pickled' }).innerText()).toContain('only as a pickle');
    expect(page.url()).toContain('q=forest');
    await page.getByLabel('Include models that cannot be grown, with the reason').uncheck();
    hubServer.pageSize = 12;
    await hub.search('nursery');
    await expect.poll(() => hub.readNames().then((names) => names.length)).toBe(24);
    await page.getByRole('button', { name: 'Load more' }).click();
    await expect.poll(() => hub.readNames().then((names) => new Set(names).size)).toBe(30);
    expect(await page.getByRole('button', { name: 'Load more' }).count()).toBe(0);
    hubServer.pageSize = 50;
    await hub.search('forest/');
    await hub.open('forest/oak-1m');
    await page.goBack();
    await expect.poll(() => hub.readNames()).toEqual(['forest/oak-1m', 'forest/elm']);
  });

  it('shows the facts of a model before its download', async () => {
    const { page } = app;
    const model = modelPage(page);
    hubServer.requests.length = 0;
    await openModel('forest/oak-1m');
    await model.facts.waitFor();
    expect(await model.readFact('Licence')).toBe('apache-2.0');
    expect(await model.readFact('Element type')).toBe('float32');
    expect(await model.readFact('Free on disk')).toContain('enough');
    expect(await model.readFact('Skipped')).toContain('400 kB in 1 file');
    expect(await model.readFact('Commit')).toBe(hubServer.models.get('forest/oak-1m')!.branches.get('main'));
    await model.doubled.waitFor();
    expect(await model.doubled.innerText()).toMatch(/Hidden 64 → 128/i);
    expect(
      hubServer.requests
        .filter(({ server: where }) => where === 'cdn')
        .every(({ range }) => /^bytes=0-/.test(range ?? '')),
    ).toBe(true);
    expect(existsSync(cacheFolder(app, 'forest/oak-1m'))).toBe(false);
    await openModel('forest/strange');
    expect(await readAlert(page)).toContain('Cambium does not support the model_type');
    expect(await model.downloadButton.count()).toBe(0);
  });

  it('pauses and resumes a download, continues it across a reload, and grows the model in place', async () => {
    const { page } = app;
    const model = modelPage(page);
    await openModel('forest/oak-1m');
    await model.facts.waitFor();
    slowDown();
    await model.downloadButton.click();
    await model.download.getByText(/\/s · .* left/).waitFor();
    await page
      .getByRole('region', { name: 'Running', exact: true })
      .getByRole('link', { name: 'Downloading forest/oak-1m' })
      .waitFor();
    await model.pauseButton.click();
    await model.download.waitFor({ state: 'detached' });
    // Only the download is slow, not the page that loads again.
    hubServer.faults = [];
    await page.getByText('are downloaded.').waitFor();
    expect(readdirSync(join(cacheFolder(app, 'forest/oak-1m'), 'snapshots'))).toEqual([]);
    await model.resumeButton.waitFor();
    slowDown();
    await model.resumeButton.click();
    await model.download.getByText(/\/s/).waitFor();
    await page.reload();
    await model.download.getByText(/\/s/).waitFor();
    hubServer.faults = [];
    await model.openLink.waitFor();
    expectDownloaded(app, 'forest/oak-1m');
    await model.openLink.click();
    await checkpointPage(page).waitFor('forest/oak-1m');
    await checkpointPage(page).grow();
    await growPage(page).waitFor('forest/oak-1m');
    await library(page).visit();
    await library(page)
      .checkpoints.getByRole('link', { name: /forest\/oak-1m/ })
      .waitFor();
  });

  // Without its service the desktop app has no window.
  it.skipIf(isDesktop)('resumes a download after the service was killed', async () => {
    const { page, port } = app;
    const model = modelPage(page);
    const hub = hubPage(page);
    await openModel('forest/elm');
    await model.facts.waitFor();
    hubServer.faults = [{ match: /GET cdn/, times: 9999, chunkDelayMs: 1000 }];
    await model.downloadButton.click();
    await model.download.getByText(/\/s/).waitFor();
    app.allowComplaints(connectionErrors);
    await app.stopServer('SIGKILL');
    await page.getByText('The server is gone. Reconnecting…').waitFor();
    await app.startServer(port);
    // The old document shows the library too, until the new one has loaded.
    await Promise.all([page.waitForEvent('load'), page.goto(app.address)]);
    await library(page).zone.waitFor();
    await hub.visit();
    expect(await hub.unfinished.innerText()).toContain('forest/elm');
    hubServer.faults = [];
    await expect
      .poll(() => hub.unfinished.getByRole('button', { name: 'Resume forest/elm' }).count(), {
        timeout,
      })
      .toBe(1);
    await hub.unfinished.getByRole('button', { name: 'Resume forest/elm' }).click();
    await waitForHeading(page, 'forest/elm');
    await model.openLink.waitFor();
    expectDownloaded(app, 'forest/elm');
  });

  it('opens a gated model with a token that has access, and shows an error for any other', async () => {
    const { page } = app;
    const model = modelPage(page);
    await openModel('walled/garden');
    expect(await readAlert(page)).toContain('is gated');
    expect(
      await page
        .getByRole('main')
        .getByRole('link', { name: `${hubServer.endpoint}/walled/garden` })
        .getAttribute('href'),
    ).toBe(`${hubServer.endpoint}/walled/garden`);
    await model.setToken('hf_wrong');
    await page.getByRole('region', { name: 'Your account' }).getByRole('alert').waitFor();
    expect(await page.getByRole('region', { name: 'Your account' }).innerText()).toContain(
      'does not accept the token',
    );
    await model.setToken(hubToken);
    await model.facts.waitFor();
    await model.downloadButton.click();
    await model.openLink.waitFor();
    expectDownloaded(app, 'walled/garden');
    expect(await page.content()).not.toContain(hubToken);
    expect(readAllFiles(app.dir)).not.toContain(hubToken);
  });

  it.each([
    [
      'a changed file',
      { match: /GET hub .*resolve.*safetensors/, times: 99, etag: 'f'.repeat(64) },
      'has changed since the download began',
    ],
    ['wrong bytes', { match: /GET cdn/, times: 99, corrupt: true }, 'its hash was wrong'],
    [
      'a server error',
      { match: /GET cdn .*/, times: 99, status: 503, headers: { 'Retry-After': '9999' } },
      'has a server error',
    ],
    [
      'too many requests',
      { match: /GET hub .*resolve.*safetensors/, times: 99, status: 429, headers: { 'Retry-After': '3000' } },
      'Try again in 3000 seconds',
    ],
  ])('shows %s as an error, and resumes the download', async (name, fault, message) => {
    const repo = `faults/${name.replace(/\W+/g, '-')}`;
    const { page } = app;
    const model = modelPage(page);
    hubServer.addFolder(repo, join(app.dir, 'hub-oak'));
    await openModel(repo);
    await model.facts.waitFor();
    hubServer.faults = [{ ...fault }];
    await model.downloadButton.click();
    expect(await readAlert(page)).toContain(message);
    hubServer.faults = [];
    await model.resumeButton.click();
    await model.openLink.waitFor();
    expectDownloaded(app, repo);
  });

  it('downloads correctly although the connection is cut many times', async () => {
    const { page } = app;
    const model = modelPage(page);
    hubServer.addFolder('faults/cut', join(app.dir, 'hub-oak'));
    await openModel('faults/cut');
    await model.facts.waitFor();
    hubServer.faults = Array.from({ length: 12 }, (_, i) => ({
      match: /GET cdn/,
      times: 1,
      cutAfter: 3000 + 977 * i,
    }));
    await model.downloadButton.click();
    await model.openLink.waitFor();
    expect(hubServer.faults.every((fault) => fault.times === 0)).toBe(true);
    expectDownloaded(app, 'faults/cut');
  });

  it('cancels a download and deletes its files', async () => {
    const { page } = app;
    const model = modelPage(page);
    hubServer.addFolder('faults/unwanted', join(app.dir, 'hub-oak'));
    await openModel('faults/unwanted');
    await model.facts.waitFor();
    slowDown();
    await model.downloadButton.click();
    await model.download.getByText(/\/s/).waitFor();
    await model.download.getByRole('button', { name: 'Cancel and delete' }).click();
    await model.downloadButton.waitFor();
    expect(existsSync(cacheFolder(app, 'faults/unwanted'))).toBe(false);
  });

  it('uploads a grown model to a private repository as one commit', async () => {
    const { page } = app;
    const push = pushPage(page);
    const out = join(app.dir, 'oak-grown');
    await app.goTo(`grow?dir=${encodeURIComponent(snapshotFolder(app, 'forest/oak-1m'))}`);
    await growPage(page).plan.waitFor();
    await growPage(page).plan.getByRole('textbox', { name: 'Output folder' }).fill(out);
    await growPage(page).growButton.click();
    await growingPage(page).waitForCertificate();
    await growingPage(page).openModel();
    await page.getByRole('link', { name: 'Push to the Hub' }).click();
    await waitForHeading(page, 'Push oak-grown to the Hub');
    await push.preview();
    const token = page.getByRole('main').getByLabel('Token', { exact: true });
    await push.plan.or(token).waitFor();
    // An earlier test may have set the token.
    if (await token.count()) await modelPage(page).setToken(hubToken);
    await push.plan.waitFor();
    expect(await push.plan.innerText()).toContain('a new private repository');
    expect(hubServer.models.has('ana/oak-grown')).toBe(false);
    await push.push();
    expect(hubServer.pushes.length).toBe(1);
    expect(hubServer.models.get('ana/oak-grown')!.private).toBe(true);
    const { files } = hubServer.pushes[0]!;
    expect(files.get('growth.json')!.toString()).not.toContain(app.dir);
    for (const [name, bytes] of files)
      if (name !== 'growth.json') expect(bytes.equals(readFileSync(join(out, name))), name).toBe(true);
  });

  it('searches and downloads by keyboard', async () => {
    const { page } = app;
    hubServer.addFolder('keys/only', join(app.dir, 'hub-elm'));
    await library(page).visit();
    await page.evaluate('document.activeElement.blur()');
    await tabTo(page, 'a', 'Browse the Hub');
    await page.keyboard.press('Enter');
    await waitForHeading(page, 'Models on the Hugging Face Hub');
    await tabTo(page, 'input', 'Model name');
    await page.keyboard.type('keys/');
    await page.keyboard.press('Enter');
    await expect.poll(() => hubPage(page).readNames()).toEqual(['keys/only']);
    await tabTo(page, 'a', /^keys\/only/);
    await page.keyboard.press('Enter');
    await waitForHeading(page, 'keys/only');
    await modelPage(page).facts.waitFor();
    await tabTo(page, 'button', /^Download \(/);
    await page.keyboard.press('Enter');
    await modelPage(page).openLink.waitFor();
  });
});

/** The content of all files below a folder, without links. */
function readAllFiles(dir: string): string {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}
