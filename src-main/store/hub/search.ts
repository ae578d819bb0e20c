/** @file Searches the Hub page by page, and says from a model's search entry why it cannot be grown. */
import { toText } from '../../base/json.ts';
import { listModels } from '@huggingface/hub';
import { createError, type ErrorData } from '../../base/errors.ts';
import { describeUnknownType, families } from '../../model/families/index.ts';
import { textTypeOf } from '../../model/families/text-model.ts';
import type { HubHit, HubPage } from '../../model/hub.ts';
import { isObject } from '../fs/files.ts';
import type { Hub } from './requests.ts';
import { findLicense, refuseUnexpectedResponse, toIsoDate } from './responses.ts';

export interface HubSearch {
  readonly query: string;
  readonly sort: 'downloads' | 'likes' | 'updated';
  /** Id of a family; empty for all. */
  readonly family: string;
  /** Least and most parameters. */
  readonly minParameters: number | null;
  readonly maxParameters: number | null;
  /** Identifier such as apache-2.0; empty for all. */
  readonly licence: string;
  /** Also finds models that cannot be grown. */
  readonly all: boolean;
  /** `next` of the previous page. */
  readonly from: string | null;
}

const entriesPerRequest = 50;
/** A page ends when it has this many hits. */
const minHitsPerPage = 20;
const maxRequestsPerPage = 5;
const sortKeys = { downloads: 'downloads', likes: 'likes', updated: 'lastModified' } as const;

/** Searches one page of hits. Sends requests until the page has enough hits that match. */
export async function searchHub(hub: Hub, search: HubSearch, signal?: AbortSignal): Promise<HubPage> {
  const hits: HubHit[] = [];
  let next = search.from;
  for (let n = 0; n < maxRequestsPerPage && hits.length < minHitsPerPage; n++) {
    const { entries, cursor } = await requestEntries(hub, search, next, signal);
    hits.push(...entries.filter((hit) => matchesSearch(hit, search)));
    next = cursor;
    if (next === null) break;
  }
  return { hits, next };
}

function matchesSearch(hit: HubHit, { all, family, minParameters, maxParameters }: HubSearch): boolean {
  if (!all && hit.why !== null) return false;
  if (family !== '' && hit.family !== family) return false;
  if (hit.parameters === null) return true;
  return (
    (minParameters === null || hit.parameters >= minParameters) &&
    (maxParameters === null || hit.parameters <= maxParameters)
  );
}

async function requestEntries(
  hub: Hub,
  search: HubSearch,
  from: string | null,
  signal?: AbortSignal,
): Promise<{ readonly entries: readonly HubHit[]; readonly cursor: string | null }> {
  const { endpoint } = hub.settings;
  let cursor: string | null = null;
  const request = hub.createFetch({});
  // The client library has no parameter for the cursor and the number of parameters, and it would follow the
  // Link header to the next page.
  const fetchPage: typeof fetch = async (input, init) => {
    const url = new URL(String(input));
    if (from !== null) url.searchParams.set('cursor', from);
    const range = formatParameterRange(search);
    if (range !== '') url.searchParams.set('num_parameters', range);
    const response = await request(url.href, { ...init, ...(signal ? { signal } : {}) });
    const headers = new Headers(response.headers);
    cursor = parseNextCursor(headers.get('link'));
    headers.delete('link');
    return new Response(response.body, { status: response.status, headers });
  };
  const entries: HubHit[] = [];
  try {
    const models = listModels({
      search: {
        query: search.query,
        tags: listTags(search),
        ...(search.all ? {} : { task: 'text-generation' }),
      },
      sort: sortKeys[search.sort],
      limit: entriesPerRequest,
      additionalFields: ['tags', 'config', 'safetensors', 'library_name'],
      hubUrl: endpoint,
      fetch: fetchPage,
    });
    for await (const model of models) {
      const modelType = isObject(model.config) ? toText(model.config['model_type'] ?? '') : '';
      entries.push({
        repo: model.name,
        family: findFamilyId(modelType),
        parameters: readParameterCount(model.safetensors),
        licence: findLicense(model.tags),
        downloads: model.downloads,
        likes: model.likes,
        updated: toIsoDate(model.updatedAt),
        gated: model.gated,
        private: model.private,
        why: findObstacle(model.name, modelType, model.config, model.tags, model.library_name),
      });
    }
  } catch (thrown) {
    refuseUnexpectedResponse(endpoint)(thrown);
  }
  return { entries, cursor };
}

function listTags({ family, licence, all }: HubSearch): string[] {
  const modelType = families.get(family)?.modelTypes[0];
  return [
    ...(modelType === undefined ? [] : [modelType]),
    ...(licence === '' ? [] : [`license:${licence}`]),
    ...(all ? [] : ['safetensors']),
  ];
}

/** `min:500M,max:1.5B`, as the Hub takes it; empty without limits. */
function formatParameterRange({ minParameters, maxParameters }: HubSearch): string {
  const limits: string[] = [];
  if (minParameters !== null) limits.push(`min:${formatParameters(minParameters)}`);
  if (maxParameters !== null) limits.push(`max:${formatParameters(maxParameters)}`);
  return limits.join(',');
}

const formatParameters = (parameters: number): string =>
  parameters >= 1e9 ? `${parameters / 1e9}B` : `${parameters / 1e6}M`;

/** The cursor of the next page, from a Link header. */
function parseNextCursor(link: string | null): string | null {
  const next = /<([^<>]+)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1];
  if (next === undefined) return null;
  return URL.parse(next, 'http://h')?.searchParams.get('cursor') ?? null;
}

const findFamilyId = (modelType: string): string | null =>
  [...families.values()].find((family) => family.modelTypes.includes(textTypeOf(modelType)))?.id ?? null;

function readParameterCount(safetensors: unknown): number | null {
  const total = (safetensors as { total?: unknown } | undefined)?.total;
  return typeof total === 'number' ? total : null;
}

/** Why a model cannot be grown, as far as its search entry shows. */
function findObstacle(
  repo: string,
  modelType: string,
  config: unknown,
  tags: readonly string[] = [],
  library?: string,
): ErrorData | null {
  const path = repo;
  if (library === 'peft' || tags.includes('adapter'))
    return createError('checkpoint/adapter', { path }).toData();
  const quantization = isObject(config) ? config['quantization_config'] : undefined;
  if (isObject(quantization)) {
    const how = toText(quantization['quant_method'] ?? 'quantization_config');
    return createError('checkpoint/quantized', { path, how }).toData();
  }
  if (modelType === '') return createError('checkpoint/no-config', { path }).toData();
  if (findFamilyId(modelType) === null) {
    return createError('checkpoint/unknown-family', describeUnknownType(modelType)).toData();
  }
  if (tags.includes('safetensors')) return null;
  return tags.includes('pytorch')
    ? createError('checkpoint/pickle-only', { path, file: 'pytorch_model.bin' }).toData()
    : createError('checkpoint/no-weights', { path }).toData();
}
