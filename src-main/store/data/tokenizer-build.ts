/**
 * @file Makes the tokenizer.json that a folder's tokenizer means: as AutoTokenizer of transformers 5.24 builds
 * it from tokenizer.json, or from a vocabulary with merges, and the settings beside them.
 */
import { refuse } from '../../base/errors.ts';
import { toText, type JsonObject } from '../../base/json.ts';
import type { RegisteredTokenizer } from '../../model/families/tokenizers.ts';
import { listParts } from './pipeline-parts.ts';
import {
  chooseTokenizerClass,
  plainClass,
  tokenizerClasses,
  type Merges,
  type TokenizerClass,
} from './tokenizer-classes.ts';
import {
  namedTokens,
  type AddedToken,
  type TokenizerFiles,
  type TokenizerJson,
  type TokenizerSettings,
} from './tokenizer-files.ts';

export interface BuiltTokenizer {
  /** The pipeline, with all added tokens and their ids. */
  readonly json: TokenizerJson;
  /** The class of transformers that it is built like. */
  readonly className: string;
  /** The texts of special tokens by role, such as `eos_token`, as the folder's files name them. */
  readonly namedTokens: Readonly<Record<string, string>>;
  /** Those that only the class of transformers names. */
  readonly defaultTokens: Readonly<Record<string, string>>;
  /** Whether decoding removes spaces before punctuation, as clean_up_tokenization_spaces asks. */
  readonly cleansSpaces: boolean;
  /** Whether the text of a special token is encoded as any other text. */
  readonly splitsSpecialTokens: boolean;
  /** What differs from tokenizer.json as it is, as sentences. */
  readonly notes: readonly string[];
}

/**
 * Builds the tokenizer of a folder. `registered` is the class of its model type. Refuses
 * `checkpoint/bad-tokenizer`.
 */
export function buildTokenizer(
  dir: string,
  files: TokenizerFiles,
  registered: RegisteredTokenizer | undefined,
): BuiltTokenizer {
  const { tokenizer, settings } = files;
  const refuseTokenizer = (why: string): never => refuse('checkpoint/bad-tokenizer', { path: dir, why });
  const name = chooseTokenizerClass(
    settings.tokenizer_class ?? files.config.tokenizer_class ?? undefined,
    registered,
    tokenizer !== undefined && JSON.stringify(withoutVocabulary(tokenizer)).includes('"ByteLevel"'),
  );
  const notes: string[] = [];
  const found = tokenizerClasses[name];
  const usesClass = found !== undefined && fitsModel(found, tokenizer);
  if (tokenizer === undefined && (!usesClass || found.vocabFile !== files.source))
    refuseTokenizer(
      `${files.source} alone does not say how text is split, and ${name} of transformers does not open it`,
    );
  if (!usesClass && name !== plainClass && tokenizer !== undefined && !isPlainName(name))
    notes.push(`Uses tokenizer.json as it is; transformers may change it for its class ${name}.`);
  const rules = usesClass ? found : undefined;
  const named = listNamedTokens(settings);
  const defaults = rules?.tokens ?? (tokenizer ? {} : { bos_token: '<s>', eos_token: '</s>' });
  const getToken = (role: string): string | undefined => named.get(role)?.content ?? defaults[role];
  const pipeline: TokenizerJson = rules
    ? { added_tokens: [], post_processor: null, ...rules.build({ ...getModel(files), settings, getToken }) }
    : tokenizer!;
  if (rules && tokenizer) notes.push(...describeChanges(name, tokenizer, pipeline));
  if (tokenizer?.model.dropout) refuseTokenizer('its model has dropout, so the tokens of a text are random');
  // The library panics on some tokens, which would end the process.
  const strips = listParts(pipeline.decoder, 'decoders').filter(({ type }) => type === 'Strip');
  if (strips.some(({ stop }) => stop !== 0))
    refuseTokenizer('its decoder strips the end of tokens, on which the library fails');
  if (getModelType(pipeline) === 'BPE' && !hasValidMerges(pipeline.model))
    refuseTokenizer('a merge makes no token of the vocabulary');
  const added = createAddedTokens(pipeline);
  if (!rules) for (const token of pipeline.added_tokens) added.add(token);
  addSpecialTokens(added, files, { named, defaults, extra: rules?.extraTokens ?? [] });
  if (rules?.resetsTokens) resetSpecialTokens(added, settings, named, defaults);
  const postProcessor = choosePostProcessor(rules, files, getToken, added);
  return {
    json: {
      ...pipeline,
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added.list(),
      post_processor: postProcessor,
    },
    className: usesClass ? name : plainClass,
    namedTokens: Object.fromEntries([...named].map(([role, token]) => [role, token.content])),
    defaultTokens: defaults,
    cleansSpaces: cleansSpaces(settings, getModelType(pipeline)),
    splitsSpecialTokens: settings.split_special_tokens === true,
    notes,
  };
}

/**
 * False if the second part of a merge lacks the prefix of continued words, which the library cuts off unseen, byte by
 * byte, or if a merge makes a token that the vocabulary does not have.
 */
function hasValidMerges({
  continuing_subword_prefix: found,
  merges = [],
  vocab,
}: TokenizerJson['model']): boolean {
  const prefix = typeof found === 'string' ? found : '';
  return merges.every((merge) => {
    const [first, second] = (Array.isArray(merge) ? merge : toText(merge).split(' ')).map(toText);
    if (second?.startsWith(prefix) !== true) return false;
    return Array.isArray(vocab) || Object.hasOwn(vocab, first! + second.slice(prefix.length));
  });
}

/** The type of the model; old files leave it out. */
export function getModelType({ model }: TokenizerJson): string {
  if (model.type !== undefined) return model.type;
  if (model.merges) return 'BPE';
  if (Array.isArray(model.vocab)) return 'Unigram';
  return 'continuing_subword_prefix' in model ? 'WordPiece' : 'WordLevel';
}

/** Names of classes that only mean that there is a tokenizer.json. */
const isPlainName = (name: string): boolean =>
  ['PreTrainedTokenizer', 'PreTrainedTokenizerFast', 'BloomTokenizer', plainClass].includes(name);

/** A class is for one type of model; transformers would misread the vocabulary of another type. */
const fitsModel = (rules: TokenizerClass, tokenizer: TokenizerJson | undefined): boolean =>
  tokenizer === undefined ||
  (getModelType(tokenizer) === rules.modelType && !Array.isArray(tokenizer.model.vocab));

const withoutVocabulary = (tokenizer: TokenizerJson): object => ({
  ...tokenizer,
  model: { ...tokenizer.model, vocab: {}, merges: [] },
});

function getModel({ tokenizer, vocab, merges }: TokenizerFiles): {
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: Merges;
} {
  if (!tokenizer) return { vocab: vocab!, merges: merges ?? [] };
  return {
    vocab: tokenizer.model.vocab as Readonly<Record<string, number>>,
    merges: tokenizer.model.merges ?? [],
  };
}

/** The parts that a class of transformers sets otherwise than tokenizer.json, as a sentence. */
function describeChanges(name: string, before: TokenizerJson, after: TokenizerJson): string[] {
  const parts = [
    ['normalizer', before.normalizer, after.normalizer],
    ['pre-tokenizer', before.pre_tokenizer, after.pre_tokenizer],
    ['decoder', before.decoder, after.decoder],
  ] as const;
  const changed = parts.filter(([, old, now]) => !behavesAlike(old, now)).map(([part]) => part);
  if (changed.length === 0) return [];
  return [`As in transformers 5, ${name} sets its own ${changed.join(' and ')}, not that of tokenizer.json.`];
}

/** Whether two parts are equal, apart from settings that change neither ids nor text. */
function behavesAlike(before: JsonObject | null, after: JsonObject | null): boolean {
  const strip = (part: JsonObject | null): string =>
    JSON.stringify(part, (key, value: unknown) => {
      if (key === 'trim_offsets') return undefined;
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
      return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
    });
  if (before?.['type'] === 'ByteLevel' && after?.['type'] === 'ByteLevel')
    return (before['add_prefix_space'] ?? true) === (after['add_prefix_space'] ?? true);
  return strip(before) === strip(after);
}

const toAddedToken = (token: string | AddedToken): AddedToken =>
  typeof token === 'string'
    ? {
        content: token,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      }
    : token;

/** The named special tokens of the settings, as added tokens where the settings describe them. */
function listNamedTokens(settings: TokenizerSettings): ReadonlyMap<string, AddedToken> {
  const named = new Map<string, AddedToken>();
  for (const role of namedTokens) {
    const token = settings[role];
    if (token !== null && token !== undefined) named.set(role, toAddedToken(token));
  }
  return named;
}

/** The other special tokens of the settings. */
function listExtraTokens(settings: TokenizerSettings): readonly (string | AddedToken)[] {
  const extra = settings.extra_special_tokens ?? settings.additional_special_tokens ?? [];
  const custom = Object.entries(settings).filter(
    ([key, value]) =>
      key.endsWith('_token') && !namedTokens.includes(key as never) && typeof value === 'string',
  );
  const listed = Array.isArray(extra) ? extra : Object.values(extra);
  return [...custom.map(([, value]) => value as string), ...listed];
}

/** Added tokens with their ids, by the rule of the library. */
interface AddedTokens {
  /** Adds a token, or replaces the one with the same text. */
  add(token: AddedToken): void;
  has(content: string): boolean;
  getId(content: string): number | undefined;
  list(): TokenizerJson['added_tokens'];
}

function createAddedTokens({ model }: TokenizerJson): AddedTokens {
  const vocab = model.vocab;
  const ids = new Map<string, number>();
  if (Array.isArray(vocab)) vocab.forEach((entry, id) => ids.set(toText((entry as unknown[])[0]), id));
  const baseSize = Array.isArray(vocab) ? vocab.length : Object.keys(vocab).length;
  const getBaseId = (content: string): number | undefined => {
    if (Array.isArray(vocab)) return ids.get(content);
    return Object.hasOwn(vocab, content) ? (vocab as Readonly<Record<string, number>>)[content] : undefined;
  };
  const tokens = new Map<number, AddedToken>();
  const addedIds = new Map<string, number>();
  const getId = (content: string): number | undefined => addedIds.get(content) ?? getBaseId(content);
  const getNextId = (): number => {
    const largest = Math.max(-1, ...tokens.keys());
    return largest >= baseSize || baseSize === 0 ? largest + 1 : baseSize;
  };
  return {
    add(token) {
      if (token.content === '') return;
      const id = getId(token.content) ?? getNextId();
      tokens.set(id, token);
      addedIds.set(token.content, id);
    },
    has: (content) => addedIds.has(content),
    getId,
    list: () =>
      [...tokens]
        .sort(([a], [b]) => a - b)
        .map(([id, { content, single_word, lstrip, rstrip, normalized, special }]) => ({
          id,
          content,
          single_word,
          lstrip,
          rstrip,
          normalized: normalized ?? !special,
          special,
        })),
  };
}

interface SpecialTokens {
  readonly named: ReadonlyMap<string, AddedToken>;
  readonly defaults: Readonly<Record<string, string>>;
  readonly extra: readonly string[];
}

/** Adds the tokens of the settings that the pipeline lacks, in the order of transformers. */
function addSpecialTokens(
  added: AddedTokens,
  { tokenizer, settings, addedTokens }: TokenizerFiles,
  { named, defaults, extra }: SpecialTokens,
): void {
  const texts = new Set([...named.values()].map((token) => token.content));
  const extraTokens = listExtraTokens(settings);
  // transformers forgets those that only special_tokens_map.json names as additional.
  const known = settings.extra_special_tokens ?? [];
  for (const token of Array.isArray(known) ? known : []) texts.add(toAddedToken(token).content);
  const described = new Map<number, AddedToken>();
  if (settings.added_tokens_decoder)
    for (const [id, token] of Object.entries(settings.added_tokens_decoder)) described.set(Number(id), token);
  else {
    for (const [content, id] of Object.entries(addedTokens)) {
      const isSpecial = texts.has(content);
      described.set(id, { ...toAddedToken(content), normalized: !isSpecial, special: isSpecial });
    }
    for (const token of tokenizer?.added_tokens ?? []) described.set(token.id, token);
  }
  for (const [, token] of [...described].sort(([a], [b]) => a - b)) added.add(token);
  const roles = { ...defaults, ...Object.fromEntries(named) } as Record<string, string | AddedToken>;
  for (const role of namedTokens) {
    const token = roles[role];
    if (token !== undefined && !added.has(toAddedToken(token).content))
      added.add({ ...toAddedToken(token), special: true });
  }
  for (const token of [...extra, ...extraTokens])
    if (!added.has(toAddedToken(token).content)) added.add(toAddedToken(token));
}

function resetSpecialTokens(
  added: AddedTokens,
  settings: TokenizerSettings,
  named: ReadonlyMap<string, AddedToken>,
  defaults: Readonly<Record<string, string>>,
): void {
  const texts = [
    ...Object.entries(defaults).flatMap(([role, text]) => (named.has(role) ? [] : [text])),
    ...[...named.values()].map((token) => token.content),
    ...listExtraTokens(settings).map((token) => toAddedToken(token).content),
  ];
  for (const text of texts) added.add(toAddedToken(text));
}

/** The post-processor: of tokenizer.json, of the class, or from add_bos_token and add_eos_token. */
function choosePostProcessor(
  rules: TokenizerClass | undefined,
  { tokenizer, settings }: TokenizerFiles,
  getToken: (role: string) => string | undefined,
  added: AddedTokens,
): JsonObject | null {
  const toTemplate = (before: readonly string[], after: readonly string[]): JsonObject => {
    const piece = (id: string, type_id: number): JsonObject => ({ SpecialToken: { id, type_id } });
    const single = [
      ...before.map((token) => piece(token, 0)),
      { Sequence: { id: 'A', type_id: 0 } },
      ...after.map((token) => piece(token, 0)),
    ];
    const tokens = [...before, ...after].map((token) => [
      token,
      { id: token, ids: [added.getId(token)!], tokens: [token] },
    ]);
    return {
      type: 'TemplateProcessing',
      single,
      pair: [...single, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: Object.fromEntries(tokens) as JsonObject,
    };
  };
  if (rules?.postProcessor === 'cls-sep')
    return toTemplate([getToken('cls_token')!], [getToken('sep_token')!]);
  const followsFile = tokenizer?.post_processor && rules?.postProcessor !== 'settings' && !rules?.addBosToken;
  if (followsFile) return tokenizer.post_processor;
  // transformers ignores both settings when there is a tokenizer.json.
  const isSet = (setting: boolean | null | undefined): boolean => !tokenizer && setting === true;
  const bos = getToken('bos_token');
  const eos = getToken('eos_token');
  const addsBos = isSet(settings.add_bos_token) || rules?.addBosToken === true;
  const before = addsBos && bos !== undefined ? [bos] : [];
  const after = isSet(settings.add_eos_token) && eos !== undefined ? [eos] : [];
  return before.length + after.length > 0 ? toTemplate(before, after) : null;
}

/** transformers 5 ignores clean_up_tokenization_spaces for BPE, unless a second setting insists. */
function cleansSpaces(settings: TokenizerSettings, modelType: string): boolean {
  if (settings.clean_up_tokenization_spaces !== true) return false;
  if (modelType !== 'BPE') return true;
  return settings.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output === true;
}
