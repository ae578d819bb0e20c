/** @file Renders chat templates as transformers does. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hasChatTemplate, renderChat } from '../../../src-main/store/data/chat-template.ts';

interface Golden {
  readonly message: string;
  readonly templates: Readonly<Record<string, { readonly template: string; readonly text: string }>>;
}
const { message, templates } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/transformers/sampling.json'), 'utf8'),
) as Golden;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cambium-chat-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});
const writeSettings = (settings: unknown): void => {
  writeFileSync(join(dir, 'tokenizer_config.json'), JSON.stringify(settings));
};

for (const [name, { template, text }] of Object.entries(templates))
  it(`writes a message as transformers does with the template ${name}`, async () => {
    writeSettings({ chat_template: template, bos_token: '<bos>', eos_token: { content: '<eos>' } });
    expect(await hasChatTemplate(dir)).toBe(true);
    expect(await renderChat(dir, message)).toBe(text);
  });

it('takes chat_template.jinja before tokenizer_config.json, and of several templates the default', async () => {
  const several = [
    { name: 'tool_use', template: 'tools' },
    { name: 'default', template: '{{ messages[0].content }}!' },
  ];
  writeSettings({ chat_template: several });
  expect(await renderChat(dir, 'hi')).toBe('hi!');
  writeFileSync(join(dir, 'chat_template.jinja'), 'file: {{ messages[0].content }}');
  expect(await renderChat(dir, 'hi')).toBe('file: hi');
});

it('refuses a tokenizer without a template, and a template that fails', async () => {
  expect(await hasChatTemplate(dir)).toBe(false);
  await expect(renderChat(dir, 'hi')).rejects.toMatchObject({ code: 'checkpoint/no-chat-template' });
  writeSettings({ chat_template: "{{ raise_exception('no user') }}" });
  await expect(renderChat(dir, 'hi')).rejects.toMatchObject({
    code: 'checkpoint/bad-chat-template',
    detail: { why: expect.stringContaining('no user') as string },
  });
  writeSettings({ chat_template: '{% if %}' });
  await expect(renderChat(dir, 'hi')).rejects.toMatchObject({ code: 'checkpoint/bad-chat-template' });
});
