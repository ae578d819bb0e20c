/** @file Tests of opening a checkpoint: every way to open one, and the error of every folder that cannot be opened. */
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
import { isDesktop, root, scenario, skipSuite } from './app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { readAlert } from './pages/common.ts';
import { library } from './pages/library.ts';

const demo = join(root, 'resources', 'demo', 'seedling');

scenario('opening a checkpoint', (app) => {
  let checkpointDir: string;
  beforeAll(async () => {
    checkpointDir = await app.createCheckpoint('models/small-llama');
  });

  it('starts with an empty library and without the token in the address', async () => {
    const { page } = app;
    await library(page).zone.waitFor();
    expect(page.url()).not.toContain('token');
    expect(await library(page).runs.count()).toBe(0);
    expect(await page.title()).toBe('Models · Cambium');
  });

  it('opens a path and shows its facts', async () => {
    const { page } = app;
    const checkpoint = checkpointPage(page);
    await library(page).openPath(checkpointDir);
    await checkpoint.waitFor('small-llama');
    await page.getByRole('heading', { name: /^Llama, [\d.]+ k parameters$/ }).waitFor();
    expect(await checkpoint.readFact('Element type')).toBe('float32');
    expect(await checkpoint.readFact('Tokenizer')).toBe('BPE, 260 tokens');
    expect(await checkpoint.readFact('Output head')).toMatch(/tied|separate/);
    expect(Number((await checkpoint.readFact('Parameters')).replace(/\D/g, ''))).toBeGreaterThan(10_000);
    for (const [axis, size] of [
      ['hidden', '32'],
      ['KV heads', '2'],
      ['ffn', '64'],
      ['layers', '2'],
    ])
      await page
        .getByRole('main')
        .locator('dl > div')
        .filter({ hasText: new RegExp(`^${axis!}\\s*${size!}$`) })
        .waitFor();
  });

  it('generates text', async () => {
    const text = await checkpointPage(app.page).generate(8);
    expect(text.startsWith('Once upon a time')).toBe(true);
    expect(text.length).toBeGreaterThan('Once upon a time'.length);
  });

  it('lists the opened checkpoint, and removes it from the list', async () => {
    const { page } = app;
    const lib = library(page);
    await lib.visit();
    await lib.checkpoints.getByRole('link', { name: /small-llama/ }).waitFor();
    await page.getByRole('button', { name: 'Remove small-llama from the list' }).click();
    await expect.poll(() => lib.checkpoints.getByRole('link', { name: /small-llama/ }).count()).toBe(0);
    expect(existsSync(join(checkpointDir, 'config.json'))).toBe(true);
  });

  // The desktop app has the dialog of the system (desktop.e2e.ts).
  it.skipIf(isDesktop)('opens a folder from the folder dialog', async () => {
    const { page } = app;
    const lib = library(page);
    await lib.browse('models');
    await lib.dialog.getByRole('button', { name: 'small-llama/ checkpoint' }).click();
    await checkpointPage(page).waitFor('small-llama');
  });

  it('opens a dropped folder', async () => {
    const { page } = app;
    const lib = library(page);
    await lib.visit();
    await lib.drop(checkpointDir);
    await checkpointPage(page).waitFor('small-llama');
    expect(await page.getByText(checkpointDir, { exact: true }).count()).toBeGreaterThan(0);
  });

  // The desktop app knows the path of what is dropped.
  it.skipIf(isDesktop)('offers a choice when two folders match the dropped one', async () => {
    const { page } = app;
    const lib = library(page);
    const twin = join(app.dir, 'elsewhere', 'small-llama');
    cpSync(checkpointDir, twin, { recursive: true });
    await lib.visit();
    await lib.drop(twin);
    await page.getByText('Several folders match.').waitFor();
    await page.getByRole('button', { name: twin, exact: true }).click();
    await checkpointPage(page).waitFor('small-llama');
  });

  it.skipIf(isDesktop)('shows an error for a dropped file', async () => {
    const { page } = app;
    const lib = library(page);
    await lib.visit();
    await lib.drop(app.text);
    expect(await lib.readError()).toMatch(/That was not a folder\. Drop the folder that holds config\.json/);
  });

  const changeJson = (path: string, keys: object): void => {
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...keys }));
  };
  const copyCheckpoint = (name: string): string => {
    const dir = join(app.dir, 'bad', name);
    cpSync(checkpointDir, dir, { recursive: true });
    return dir;
  };
  const invalidFolders: readonly (readonly [what: string, create: () => string, message: RegExp])[] = [
    ['a path to nothing', () => join(app.dir, 'nowhere'), /nowhere does not exist\. Check the path/],
    ['a file', () => app.text, /stories\.txt is not a folder\. Choose the folder that contains config\.json/],
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
        const dir = copyCheckpoint('pickle');
        renameSync(join(dir, 'model.safetensors'), join(dir, 'pytorch_model.bin'));
        return dir;
      },
      /only as a pickle \(pytorch_model\.bin\).*Convert it/,
    ],
    [
      'a truncated shard',
      () => {
        const dir = copyCheckpoint('short');
        truncateSync(join(dir, 'model.safetensors'), 20_000);
        return dir;
      },
      /model\.safetensors has 20000 bytes, but its header requires \d+\. The download was cut off/,
    ],
    [
      'an unknown family',
      () => {
        const dir = copyCheckpoint('strange');
        changeJson(join(dir, 'config.json'), { model_type: 'unheard_of' });
        return dir;
      },
      /does not support the model_type "unheard_of"\. The supported ones are .*gpt2.*llama/,
    ],
    [
      'a config that disagrees with the shapes',
      () => {
        const dir = copyCheckpoint('wrong');
        changeJson(join(dir, 'config.json'), { hidden_size: 64 });
        return dir;
      },
      /but config\.json implies \[.*belong to the same model/,
    ],
    [
      'a config that is not JSON',
      () => {
        const dir = copyCheckpoint('torn');
        writeFileSync(join(dir, 'config.json'), '{"model_type": "lla');
        return dir;
      },
      /config\.json is not valid JSON.*download it again/,
    ],
    [
      'quantized weights',
      () => {
        const dir = copyCheckpoint('quantized');
        changeJson(join(dir, 'config.json'), { quantization_config: { quant_method: 'gptq' } });
        return dir;
      },
      /is quantized \(gptq\).*full-precision/,
    ],
  ];
  it.each(invalidFolders)('shows an error with a remedy for %s', async (_, create, message) => {
    const { page } = app;
    const lib = library(page);
    await lib.visit();
    await lib.openPath(create());
    expect(await lib.readError()).toMatch(message);
    expect(await page.getByRole('main').getByRole('alert').count()).toBe(1);
    expect(page.url()).toMatch(/#\/$/);
  });

  it('shows an error for an address of a missing folder, and for a dropped folder without a config', async () => {
    const { page } = app;
    await app.goTo(`grow?dir=${encodeURIComponent(join(app.dir, 'nowhere'))}`);
    expect(await readAlert(page)).toMatch(/does not exist/);
    await page.getByRole('link', { name: 'Choose another checkpoint' }).click();
    await library(page).zone.waitFor();
    await library(page).drop(join(app.dir, 'bad', 'empty'));
    expect(await readAlert(page)).toMatch(/has no config\.json/);
  });

  if (existsSync(join(demo, 'model.safetensors'))) {
    it('opens the demo checkpoint', async () => {
      const { page } = app;
      await library(page).visit();
      await page.getByTestId('demo').click();
      await page.getByRole('link', { name: 'Grow', exact: true }).waitFor();
      expect(await checkpointPage(page).readFact('Tokenizer')).toMatch(/\d+ tokens/);
    });
  }
});
if (!existsSync(join(demo, 'model.safetensors')))
  skipSuite('the demo checkpoint', 'is not in resources/demo/seedling yet');
