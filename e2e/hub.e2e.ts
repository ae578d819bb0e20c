/**
 * @file A model from the Hub and back to it, against a local server that speaks its protocol, with every
 * fault it can have.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { patience, scenario, type App } from './app.ts';
import { cacheOf, furnish, secret, server } from './hub-forest.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { alertOf, heading, tabTo } from './pages/frame.ts';
import { growingPage, growPage } from './pages/grow.ts';
import { hubPage, modelPage, pushPage } from './pages/hub.ts';
import { library } from './pages/library.ts';

const snapshotOf = (app: App, repo: string): string => {
  const folder = join(cacheOf(app, repo), 'snapshots');
  return join(folder, readdirSync(folder)[0]!);
};
const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
/** The files that were fetched are those of the server. */
function same(app: App, repo: string): void {
  const model = server.models.get(repo)!;
  const files = model.commits.get(model.branches.get('main')!)!;
  const dir = snapshotOf(app, repo);
  const names = readdirSync(dir);
  expect(names.filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(0);
  for (const name of names) expect(sha(readFileSync(join(dir, name))), name).toBe(files.get(name)!.sha);
  expect(names).not.toContain('pytorch_model.bin');
}
const slowly = (times = 9999): void => {
  server.faults = [{ on: /GET cdn/, times, slow: 150 }];
};

scenario('the Hub', (app) => {
  const gone = /WebSocket|ERR_CONNECTION|net::/;
  beforeAll(() => furnish(app));
  afterEach(() => {
    server.faults = [];
  });
  const at = (repo: string): Promise<unknown> =>
    app.page.goto(`${new URL(app.page.url()).origin}/#/model?repo=${repo}`);

  it('is searched, sorted, filtered, paged; what cannot be grown stays away or says why', async () => {
    const { page } = app;
    const hub = hubPage(page);
    await library(page).visit();
    await page.getByRole('main').getByRole('link', { name: 'From the Hugging Face Hub' }).click();
    await heading(page, 'Models on the Hugging Face Hub');
    await expect
      .poll(() => hub.names().then((names) => names.length), { timeout: patience })
      .toBeGreaterThan(10);
    expect((await hub.names()).slice(0, 3)).toEqual([
      'forest/elm',
      'forest/oak-1m',
      expect.stringContaining('walled/garden'),
    ]);
    await hub.filter('Order', 'Most likes');
    await expect.poll(() => hub.names().then((names) => names[0])).toContain('walled/garden');
    await hub.filter('Licence', 'apache-2.0');
    await expect.poll(() => hub.names()).toEqual(['forest/oak-1m']);
    await hub.filter('Licence', 'Any licence');
    await hub.search('forest/');
    await expect.poll(() => hub.names()).toEqual(['forest/oak-1m', 'forest/elm']);
    await page.getByLabel('Show what cannot be grown too, and why').check();
    await expect
      .poll(() => hub.names().then((names) => [...names].sort()))
      .toEqual(['forest/elm', 'forest/oak-1m', 'forest/pickled', 'forest/strange']);
    expect(await hub.hits.filter({ hasText: 'forest/strange' }).innerText()).toContain(
      'is not a family Cambium knows',
    );
    expect(await hub.hits.filter({ hasText: 'forest/pickled' }).innerText()).toContain('only as a pickle');
    expect(page.url()).toContain('q=forest');
    await page.getByLabel('Show what cannot be grown too, and why').uncheck();
    server.pageSize = 12;
    await hub.search('nursery');
    await expect.poll(() => hub.names().then((names) => names.length)).toBe(24);
    await page.getByRole('button', { name: 'More' }).click();
    await expect.poll(() => hub.names().then((names) => new Set(names).size)).toBe(30);
    expect(await page.getByRole('button', { name: 'More' }).count()).toBe(0);
    server.pageSize = 50;
    await hub.search('forest/');
    await hub.open('forest/oak-1m');
    await page.goBack();
    await expect.poll(() => hub.names()).toEqual(['forest/oak-1m', 'forest/elm']);
  });

  it('judges a model before a weight is fetched', async () => {
    const { page } = app;
    const model = modelPage(page);
    server.seen.length = 0;
    await at('forest/oak-1m');
    await model.facts.waitFor();
    expect(await model.fact('Licence')).toBe('apache-2.0');
    expect(await model.fact('Element type')).toBe('float32');
    expect(await model.fact('Free on disk')).toContain('enough');
    expect(await model.fact('Not needed')).toContain('400 kB in 1 file');
    expect(await model.fact('Commit')).toBe(server.models.get('forest/oak-1m')!.branches.get('main'));
    await model.doubled.waitFor();
    expect(await model.doubled.innerText()).toMatch(/Hidden 64 → 128/i);
    expect(
      server.seen
        .filter(({ at: where }) => where === 'cdn')
        .every(({ range }) => /^bytes=0-/.test(range ?? '')),
    ).toBe(true);
    expect(existsSync(cacheOf(app, 'forest/oak-1m'))).toBe(false);
    await at('forest/strange');
    expect(await alertOf(page)).toContain('is not a family Cambium knows');
    expect(await model.fetch.count()).toBe(0);
  });

  it('fetches, pauses, goes on through a reload of the page, and is grown from where it lies', async () => {
    const { page } = app;
    const model = modelPage(page);
    await at('forest/oak-1m');
    await model.facts.waitFor();
    slowly();
    await model.fetch.click();
    await model.download.getByText(/ a second · .* left/).waitFor();
    await page
      .getByRole('region', { name: 'Under way' })
      .getByRole('link', { name: 'Fetching forest/oak-1m' })
      .waitFor();
    await model.pause.click();
    await model.download.waitFor({ state: 'detached' });
    server.faults = []; // the page judges anew; only the download is to be slow
    await page.getByText('are here and kept.').waitFor();
    expect(readdirSync(join(cacheOf(app, 'forest/oak-1m'), 'snapshots'))).toEqual([]);
    await model.goOn.waitFor();
    slowly();
    await model.goOn.click();
    await model.download.getByText(/ a second/).waitFor();
    await page.reload();
    await model.download.getByText(/ a second/).waitFor();
    server.faults = [];
    await model.open.waitFor();
    same(app, 'forest/oak-1m');
    await model.open.click();
    await checkpointPage(page).opened('forest/oak-1m');
    await checkpointPage(page).grow();
    await growPage(page).opened('forest/oak-1m');
    await library(page).visit();
    await library(page)
      .checkpoints.getByRole('link', { name: /forest\/oak-1m/ })
      .waitFor();
  });

  it('is picked up after the service was killed', async () => {
    const { page, port } = app;
    const model = modelPage(page);
    const hub = hubPage(page);
    await at('forest/elm');
    await model.facts.waitFor();
    server.faults = [{ on: /GET cdn/, times: 9999, slow: 1000 }];
    await model.fetch.click();
    await model.download.getByText(/ a second/).waitFor();
    app.allow(gone);
    await app.endServer('SIGKILL');
    await page.getByText('The connection is lost; trying again.').waitFor();
    await app.serve(port);
    // the old document shows the library too, until it is gone
    await Promise.all([page.waitForEvent('load'), page.goto(app.address)]);
    await library(page).zone.waitFor();
    await hub.visit();
    expect(await hub.unfinished.innerText()).toContain('forest/elm');
    server.faults = [];
    await expect
      .poll(() => hub.unfinished.getByRole('button', { name: 'Go on with forest/elm' }).count(), {
        timeout: patience,
      })
      .toBe(1);
    await hub.unfinished.getByRole('button', { name: 'Go on with forest/elm' }).click();
    await heading(page, 'forest/elm');
    await model.open.waitFor();
    same(app, 'forest/elm');
  });

  it('tells how to get into a gated model, refuses a wrong token with a sentence, and opens with a right one', async () => {
    const { page } = app;
    const model = modelPage(page);
    await at('walled/garden');
    expect(await alertOf(page)).toContain('is gated');
    expect(
      await page
        .getByRole('main')
        .getByRole('link', { name: `${server.endpoint}/walled/garden` })
        .getAttribute('href'),
    ).toBe(`${server.endpoint}/walled/garden`);
    await model.giveToken('hf_wrong');
    await page.getByRole('region', { name: 'Your account' }).getByRole('alert').waitFor();
    expect(await page.getByRole('region', { name: 'Your account' }).innerText()).toContain(
      'does not accept the token',
    );
    await model.giveToken(secret);
    await model.facts.waitFor();
    await model.fetch.click();
    await model.open.waitFor();
    same(app, 'walled/garden');
    expect(await page.content()).not.toContain(secret);
    expect(readEverything(app.dir)).not.toContain(secret);
  });

  it.each([
    [
      'a changed file',
      { on: /GET hub .*resolve.*safetensors/, times: 99, etag: 'f'.repeat(64) },
      'is not what it was',
    ],
    ['wrong bytes', { on: /GET cdn/, times: 99, wrong: true }, 'another hash'],
    [
      'a server in trouble',
      { on: /GET cdn .*/, times: 99, status: 503, headers: { 'Retry-After': '9999' } },
      'is in trouble',
    ],
    [
      'too many requests',
      { on: /GET hub .*resolve.*safetensors/, times: 99, status: 429, headers: { 'Retry-After': '3000' } },
      'Wait 3000 seconds',
    ],
  ])('%s is one sentence, and afterwards it goes on', async (name, fault, words) => {
    const repo = `faults/${name.replace(/\W+/g, '-')}`;
    const { page } = app;
    const model = modelPage(page);
    server.addFolder(repo, join(app.dir, 'hub-oak'));
    await at(repo);
    await model.facts.waitFor();
    server.faults = [{ ...fault }];
    await model.fetch.click();
    expect(await alertOf(page)).toContain(words);
    server.faults = [];
    await model.goOn.click();
    await model.open.waitFor();
    same(app, repo);
  });

  it('connections cut again and again change nothing', async () => {
    const { page } = app;
    const model = modelPage(page);
    server.addFolder('faults/cut', join(app.dir, 'hub-oak'));
    await at('faults/cut');
    await model.facts.waitFor();
    server.faults = Array.from({ length: 12 }, (_, i) => ({ on: /GET cdn/, times: 1, cut: 3000 + 977 * i }));
    await model.fetch.click();
    await model.open.waitFor();
    expect(server.faults.every((fault) => fault.times === 0)).toBe(true);
    same(app, 'faults/cut');
  });

  it('gives a download up without a trace', async () => {
    const { page } = app;
    const model = modelPage(page);
    server.addFolder('faults/unwanted', join(app.dir, 'hub-oak'));
    await at('faults/unwanted');
    await model.facts.waitFor();
    slowly();
    await model.fetch.click();
    await model.download.getByText(/ a second/).waitFor();
    await model.download.getByRole('button', { name: 'Give up and remove' }).click();
    await model.fetch.waitFor();
    expect(existsSync(cacheOf(app, 'faults/unwanted'))).toBe(false);
  });

  it("takes what was grown to a private repository of the user's, as one commit", async () => {
    const { page } = app;
    const push = pushPage(page);
    const out = join(app.dir, 'oak-grown');
    await page.goto(
      `${new URL(page.url()).origin}/#/grow?dir=${encodeURIComponent(snapshotOf(app, 'forest/oak-1m'))}`,
    );
    await growPage(page).plan.waitFor();
    await growPage(page).plan.getByRole('textbox', { name: 'New folder' }).fill(out);
    await growPage(page).button.click();
    await growingPage(page).proved();
    await growingPage(page).look();
    await page.getByRole('link', { name: 'Push to the Hub' }).click();
    await heading(page, 'Push oak-grown to the Hub');
    await push.look();
    const token = page.getByRole('main').getByLabel('Token', { exact: true });
    await push.plan.or(token).waitFor();
    // the account of an earlier test, when it was run
    if (await token.count()) await modelPage(page).giveToken(secret);
    await push.plan.waitFor();
    expect(await push.plan.innerText()).toContain('a new private repository');
    expect(server.models.has('ana/oak-grown')).toBe(false);
    await push.push();
    expect(server.pushed.length).toBe(1);
    expect(server.models.get('ana/oak-grown')!.private).toBe(true);
    const { files } = server.pushed[0]!;
    expect(files.get('growth.json')!.toString()).not.toContain(app.dir);
    for (const [name, bytes] of files)
      if (name !== 'growth.json') expect(bytes.equals(readFileSync(join(out, name))), name).toBe(true);
  });

  it('needs no mouse: from the start to a fetched model by keyboard', async () => {
    const { page } = app;
    server.addFolder('keys/only', join(app.dir, 'hub-elm'));
    await library(page).visit();
    await page.evaluate('document.activeElement.blur()');
    await tabTo(page, 'a', 'From the Hugging Face Hub');
    await page.keyboard.press('Enter');
    await heading(page, 'Models on the Hugging Face Hub');
    await tabTo(page, 'input', 'Name of a model, or part of it');
    await page.keyboard.type('keys/');
    await page.keyboard.press('Enter');
    await expect.poll(() => hubPage(page).names()).toEqual(['keys/only']);
    await tabTo(page, 'a', /^keys\/only/);
    await page.keyboard.press('Enter');
    await heading(page, 'keys/only');
    await modelPage(page).facts.waitFor();
    await tabTo(page, 'button', /^Fetch it/);
    await page.keyboard.press('Enter');
    await modelPage(page).open.waitFor();
  });
});

/** Everything below a folder as one text; links are not followed. */
function readEverything(dir: string): string {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}
