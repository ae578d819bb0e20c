/** @file The texts that users see, collected from the tables, the command line and the components. */
import { Command } from 'commander';
import { parse } from 'svelte/compiler';
import ts from 'typescript';
import { errors } from '../../src-main/base/errors.ts';
import type { Option } from '../../src-main/base/option.ts';
import { assumptionOptions } from '../../src-main/cost/assumptions.ts';
import { commands } from '../../src-main/entry/node/program.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import { settingGroups } from '../../src-main/train/setting.ts';
import { settingTable } from '../../src-main/train/settings.ts';
import { listFiles, readSource, sourceFiles } from './source-files.ts';

/** A text, and where it comes from. */
export interface InterfaceText {
  readonly from: string;
  readonly text: string;
}

/** A camelCase or kebab-case name as separate words. */
export const splitName = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/[-_/]/g, ' ')
    .toLowerCase();

function describeOption(from: string, option: Option): InterfaceText[] {
  const choices =
    option.kind === 'choice' ? option.choices.flatMap(({ value, label }) => [splitName(value), label]) : [];
  return [splitName(option.id), option.label, option.help, ...choices].map((text) => ({
    from: `${from}, option ${option.id}`,
    text,
  }));
}

/** Ids, labels and help of all options: training settings, growth methods and assumptions. */
export function collectOptionTexts(): InterfaceText[] {
  const settings = Object.entries(settingTable).flatMap(([id, row]) => {
    const labels = 'labels' in row ? Object.entries(row.labels).flat() : [];
    return [splitName(id), row.label, row.help, ...labels].map((text) => ({
      from: `training setting ${id}`,
      text,
    }));
  });
  const groups = Object.values(settingGroups).map((text) => ({ from: 'group of settings', text }));
  const methodTexts = [...methods.values()].flatMap((method) => [
    { from: `growth method ${method.id}`, text: JSON.stringify(method) },
    ...method.options.flatMap((option) => describeOption(`growth method ${method.id}`, option)),
  ]);
  const assumptions = assumptionOptions.flatMap((option) => describeOption('assumptions', option));
  return [...settings, ...groups, ...methodTexts, ...assumptions];
}

/** Fields of errors that are lists, by their types in the tables. */
const listFields = new Set<string | symbol>(
  listFiles('src-main/base/errors').flatMap((path) =>
    [...readSource(path).matchAll(/(\w+)\??: readonly (?:\{[^}]*\}|[^;{]*?)\[\]/g)].map(
      ([, field]) => field!,
    ),
  ),
);

/** Data for any error: short lists where the tables expect lists, short texts elsewhere. */
export const anyErrorDetail = new Proxy(
  {},
  {
    get: (_, field) => {
      if (listFields.has(field)) return ['a', 'b'];
      return field === 'shapes' ? '[1]' : '1';
    },
  },
) as never;

/** The sentence and the remedy of every error. */
export const collectErrorTexts = (): InterfaceText[] =>
  Object.entries(errors).flatMap(([code, toText]) =>
    (toText as (detail: never) => readonly string[])(anyErrorDetail).map((text) => ({
      from: `error ${code}`,
      text,
    })),
  );

/** The help of every command and subcommand. */
export function collectHelpTexts(): InterfaceText[] {
  const program = new Command('cambium');
  for (const add of commands) add(program, () => () => Promise.resolve());
  const list = (command: Command): Command[] => [
    command,
    ...command.commands.flatMap((child) => list(child)),
  ];
  return list(program).map((command) => {
    let text = '';
    command.configureOutput({
      writeOut: (part) => {
        text += part;
      },
    });
    command.outputHelp();
    return { from: `help of cambium ${command.name()}`, text };
  });
}

const eventFiles = [
  'src-main/train/run.ts',
  'src-main/contract/schema.ts',
  'src-main/contract/gpu.ts',
  'src-main/contract/remote-hosts.ts',
  'src-main/model/hub.ts',
];

/** Field names and values of the types whose name ends in Event. */
export const collectEventFields = (): InterfaceText[] =>
  eventFiles.flatMap((path) => {
    const file = ts.createSourceFile(path, readSource(path), ts.ScriptTarget.Latest, true);
    const texts: InterfaceText[] = [];
    const visit = (node: ts.Node, type: string): void => {
      if (ts.isPropertySignature(node) || ts.isLiteralTypeNode(node)) {
        const name = ts.isPropertySignature(node) ? node.name.getText(file) : node.getText(file);
        texts.push({ from: `${type} in ${path}`, text: splitName(name.replaceAll("'", '')) });
      }
      ts.forEachChild(node, (child) => {
        visit(child, type);
      });
    };
    for (const statement of file.statements) {
      if (!ts.isInterfaceDeclaration(statement) && !ts.isTypeAliasDeclaration(statement)) continue;
      if (statement.name.text.endsWith('Event')) visit(statement, statement.name.text);
    }
    return texts;
  });

/** True for strings that are shown: words with spaces, or capitalised words. */
const isShown = (text: string): boolean => /\S\s+\S/.test(text) || /^[A-Z][a-z]/.test(text);

/** Attributes of components and elements that are not shown. */
const hiddenAttributes = new Set(['class', 'style', 'id', 'href', 'name', 'type', 'd', 'data-testid']);

/** Texts of a component: text nodes, attributes, and strings in its expressions and its script. */
function collectComponentTexts(source: string): string[] {
  const texts: string[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      node.forEach(visit);
      return;
    }
    if (typeof node !== 'object' || node === null) return;
    const { type, name, data, value } = node as Record<string, unknown>;
    if (type === 'Comment' || type === 'ImportDeclaration') return;
    if (type === 'Attribute' && hiddenAttributes.has(String(name))) return;
    if (type === 'Text') texts.push(String(data));
    if (type === 'Literal' && typeof value === 'string' && isShown(value)) texts.push(value);
    if (type === 'TemplateElement') texts.push((value as { cooked: string }).cooked);
    for (const [key, child] of Object.entries(node)) if (key !== 'metadata' && key !== 'parent') visit(child);
  };
  const { fragment, instance } = parse(source, { modern: true });
  visit(fragment);
  visit(instance?.content);
  return texts;
}

/** Strings of a TypeScript file that are shown. */
function collectScriptTexts(path: string): string[] {
  const file = ts.createSourceFile(path, readSource(path), ts.ScriptTarget.Latest, true);
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) return;
    const isText =
      ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node);
    if (isText && isShown(node.text)) texts.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return texts;
}

/** The texts of the page, from components and the modules next to them. */
export const collectPageTexts = (): InterfaceText[] =>
  sourceFiles
    .filter((path) => /^src-renderer\/.*\.(svelte|ts)$/.test(path))
    .flatMap((path) => {
      const texts = path.endsWith('.ts') ? collectScriptTexts(path) : collectComponentTexts(readSource(path));
      return texts
        .map((text) => text.replace(/\s+/g, ' ').trim())
        .filter((text) => text !== '')
        .map((text) => ({ from: path, text }));
    });
