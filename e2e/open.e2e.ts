/**
 * @file Opening a checkpoint: the first start, every way in, and every folder that cannot be opened with its
 * sentence and its remedy.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { root, scenario, skipped } from './app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { alertOf } from './pages/frame.ts';
import { library } from './pages/library.ts';

const builtIn = join(root, 'resources', 'demo', 'seedling');

scenario('opening', (app) => {
  let good: string;
  beforeAll(async () => {
    good = await app.checkpoint('models/small-llama');
  });

  it('starts with one thing to do and no token in the address bar', async () => {
    const { page } = app;
    await page.getByText('Drop a checkpoint folder here').waitFor();
    expect(page.url()).not.toContain('token');
    expect(await library(page).runs.count()).toBe(0);
    expect(await page.title()).toBe('Models · Cambium');
  });

  it('opens a typed path and says what it is', async () => {
    const { page } = app;
    const checkpoint = checkpointPage(page);
    await library(page).type(good);
    await checkpoint.opened('small-llama');
    await page.getByRole('heading', { name: /^Llama, [\d.]+ k parameters$/ }).waitFor();
    expect(await checkpoint.fact('Element type')).toBe('float32');
    expect(await checkpoint.fact('Tokenizer')).toBe('BPE, 260 tokens');
    expect(await checkpoint.fact('Output head')).toMatch(/tied|its own/);
    expect(Number((await checkpoint.fact('Parameters')).replace(/\D/g, ''))).toBeGreaterThan(10_000);
    for (const [axis, size] of [
      ['hidden', '32'],
      ['kv heads', '2'],
      ['ffn', '64'],
      ['layers', '2'],
    ])
      await page
        .getByRole('main')
        .locator('dl > div')
        .filter({ hasText: new RegExp(`^${axis!}\\s*${size!}$`) })
        .waitFor();
  });

  it('lets it write', async () => {
    const text = await checkpointPage(app.page).write(8);
    expect(text.startsWith('Once upon a time')).toBe(true);
    expect(text.length).toBeGreaterThan('Once upon a time'.length);
  });

  it('remembers it, and forgets it when told', async () => {
    const { page } = app;
    const lib = library(page);
    await lib.visit();
    await lib.checkpoints.getByRole('link', { name: /small-llama/ }).waitFor();
    await lib.checkpoints.getByRole('button', { name: 'Forget small-llama' }).click();
    await expect.poll(() => lib.checkpoints.getByRole('link', { name: /small-llama/ }).count()).toBe(0);
    expect(existsSync(join(good, 'config.json'))).toBe(true);
  });

  it('picks a folder with the browser of folders', async () => {
    const { page } = app;
    const lib = library(page);
    await lib.pick('models');
    await lib.dialog.getByRole('button', { name: 'small-llama/ checkpoint' }).click();
    await checkpointPage(page).opened('small-llama');
  });

  it('takes a folder that is dropped on it', async () => {
    const { page } = app;
    const lib = library(page);
    await lib.visit();
    await lib.drop(good);
    await checkpointPage(page).opened('small-llama');
    expect(await page.getByText(good, { exact: true }).count()).toBeGreaterThan(0);
  });

  it('asks which, when two folders look like the one that was dropped', async () => {
    const { page } = app;
    const lib = library(page);
    const twin = join(app.dir, 'elsewhere', 'small-llama');
    cpSync(good, twin, { recursive: true });
    await lib.visit();
    await lib.drop(twin);
    await page.getByText('Several folders look like this one.').waitFor();
    await page.getByRole('button', { name: twin, exact: true }).click();
    await checkpointPage(page).opened('small-llama');
  });

  it('says so when a dropped file is not a folder', async () => {
    const { page } = app;
    const lib = library(page);
    await lib.visit();
    await lib.drop(app.text);
    expect(await lib.refusal()).toMatch(/That was not a folder\. Drop the folder that holds config\.json/);
  });

  const change = (path: string, keys: object): void => {
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...keys }));
  };
  const copy = (name: string): string => {
    const dir = join(app.dir, 'bad', name);
    cpSync(good, dir, { recursive: true });
    return dir;
  };
  const bad: readonly (readonly [what: string, make: () => string, told: RegExp])[] = [
    ['a path to nothing', () => join(app.dir, 'nowhere'), /nowhere does not exist\. Check the path/],
    ['a file', () => app.text, /stories\.txt is not a folder\. Choose the folder that holds config\.json/],
    [
      'a folder without a config',
      () => {
        const dir = join(app.dir, 'bad', 'empty');
        mkdirSync(dir, { recursive: true });
        return dir;
      },
      /empty has no config\.json\. Choose the folder of a Hugging Face checkpoint/,
    ],
    [
      'a pickle-only checkpoint',
      () => {
        const dir = copy('pickle');
        renameSync(join(dir, 'model.safetensors'), join(dir, 'pytorch_model.bin'));
        return dir;
      },
      /only as a pickle \(pytorch_model\.bin\).*Convert it/,
    ],
    [
      'a truncated shard',
      () => {
        const dir = copy('short');
        truncateSync(join(dir, 'model.safetensors'), 20_000);
        return dir;
      },
      /model\.safetensors is 20000 bytes but its header promises \d+\. The download was cut off/,
    ],
    [
      'an unknown family',
      () => {
        const dir = copy('strange');
        change(join(dir, 'config.json'), { model_type: 'unheard_of' });
        return dir;
      },
      /model_type "unheard_of" is not a family Cambium knows\. It knows .*gpt2.*llama/,
    ],
    [
      'a config that disagrees with the shapes',
      () => {
        const dir = copy('wrong');
        change(join(dir, 'config.json'), { hidden_size: 64 });
        return dir;
      },
      /but config\.json implies \[.*not of the same model/,
    ],
    [
      'a config that is not JSON',
      () => {
        const dir = copy('torn');
        writeFileSync(join(dir, 'config.json'), '{"model_type": "lla');
        return dir;
      },
      /config\.json is not valid JSON.*fetch it again/,
    ],
    [
      'quantized weights',
      () => {
        const dir = copy('quantized');
        change(join(dir, 'config.json'), { quantization_config: { quant_method: 'gptq' } });
        return dir;
      },
      /is quantized \(gptq\).*full-precision/,
    ],
  ];
  it.each(bad)('refuses %s with its name and a remedy', async (_, make, told) => {
    const { page } = app;
    const lib = library(page);
    await lib.visit();
    await lib.type(make());
    expect(await lib.refusal()).toMatch(told);
    expect(await page.getByRole('main').getByRole('alert').count()).toBe(1);
    expect(page.url()).toMatch(/#\/$/);
  });

  it('refuses a bad address inside the page as well, and a dropped folder without a config', async () => {
    const { page } = app;
    await page.goto(
      `${new URL(page.url()).origin}/#/grow?dir=${encodeURIComponent(join(app.dir, 'nowhere'))}`,
    );
    expect(await alertOf(page)).toMatch(/does not exist/);
    await page.getByRole('link', { name: 'Choose another checkpoint' }).click();
    await library(page).zone.waitFor();
    await library(page).drop(join(app.dir, 'bad', 'empty'));
    expect(await alertOf(page)).toMatch(/has no config\.json/);
  });

  if (existsSync(join(builtIn, 'model.safetensors'))) {
    it('offers the built-in checkpoint', async () => {
      const { page } = app;
      await library(page).visit();
      await page.getByTestId('built-in').click();
      await page.getByRole('link', { name: 'Grow it' }).waitFor();
      expect(await checkpointPage(page).fact('Tokenizer')).toMatch(/\d+ tokens/);
    });
  }
});
if (!existsSync(join(builtIn, 'model.safetensors')))
  skipped('the built-in checkpoint', 'is not in resources/demo/seedling yet');
