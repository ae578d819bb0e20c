/**
 * @file Searching the Hub: one page after the other, each model with what its entry already says against
 * growing it.
 */
import { listModels } from '@huggingface/hub';
import { appError, type ErrorData } from '../../base/errors.ts';
import { families } from '../../model/families/index.ts';
import type { HubHit, HubPage } from '../../model/hub.ts';
import { isObject } from '../fs/files.ts';
import { isoOf, licenceOf, readable } from './answers.ts';
import type { Hub } from './requests.ts';

export interface Search {
  readonly query: string;
  readonly sort: 'downloads' | 'likes' | 'updated';
  /** A family's id; empty for all. */
  readonly family: string;
  /** Parameters at least and at most. */
  readonly least: number | null;
  readonly most: number | null;
  /** An identifier such as apache-2.0; empty for all. */
  readonly licence: string;
  /** Also what cannot be grown. */
  readonly all: boolean;
  /** `next` of the page before. */
  readonly from: string | null;
}

/** Entries of one request; hits that make a page; requests that a page may take. */
const perRequest = 50;
const perPage = 20;
const mostRequests = 5;
const orders = { downloads: 'downloads', likes: 'likes', updated: 'lastModified' } as const;

/** One page of hits. Requests are made until there are enough that may be shown, or no more. */
export async function searchHub(hub: Hub, search: Search, signal?: AbortSignal): Promise<HubPage> {
  const hits: HubHit[] = [];
  let next = search.from;
  for (let n = 0; n < mostRequests && hits.length < perPage; n++) {
    const { found, cursor } = await request(hub, search, next, signal);
    hits.push(...found.filter((hit) => (search.all || hit.why === null) && fitting(hit, search)));
    next = cursor;
    if (next === null) break;
  }
  return { hits, next };
}

const fitting = ({ parameters, family }: HubHit, { least, most, family: wanted }: Search): boolean =>
  (wanted === '' || family === wanted) &&
  (parameters === null || ((least === null || parameters >= least) && (most === null || parameters <= most)));

async function request(
  hub: Hub,
  search: Search,
  from: string | null,
  signal?: AbortSignal,
): Promise<{ readonly found: readonly HubHit[]; readonly cursor: string | null }> {
  const { endpoint } = hub.settings;
  const { query, family, licence, least, most } = search;
  const type = families.get(family)?.modelTypes[0];
  let cursor: string | null = null;
  const ask = hub.fetchFor({});
  // The client library knows neither the cursor of a page nor a range of parameters, and would follow the
  // Link by itself.
  const fetchPage: typeof fetch = async (input, init) => {
    const address = new URL(String(input));
    if (from !== null) address.searchParams.set('cursor', from);
    if (least !== null || most !== null)
      address.searchParams.set(
        'num_parameters',
        [least === null ? '' : `min:${inUnits(least)}`, most === null ? '' : `max:${inUnits(most)}`]
          .filter(Boolean)
          .join(','),
      );
    const response = await ask(address.href, { ...init, ...(signal ? { signal } : {}) });
    const headers = new Headers(response.headers);
    cursor = cursorOf(headers.get('link'));
    headers.delete('link');
    return new Response(response.body, { status: response.status, headers });
  };
  const tags = [
    ...(type === undefined ? [] : [type]),
    ...(licence === '' ? [] : [`license:${licence}`]),
    ...(search.all ? [] : ['safetensors']),
  ];
  const found: HubHit[] = [];
  try {
    const list = listModels({
      search: { query, tags, ...(search.all ? {} : { task: 'text-generation' }) },
      sort: orders[search.sort],
      limit: perRequest,
      additionalFields: ['tags', 'config', 'safetensors', 'library_name'],
      hubUrl: endpoint,
      fetch: fetchPage,
    });
    for await (const model of list) {
      const type = isObject(model.config) ? String(model.config['model_type'] ?? '') : '';
      found.push({
        repo: model.name,
        family: familyId(type),
        parameters: totalOf(model.safetensors),
        licence: licenceOf(model.tags),
        downloads: model.downloads,
        likes: model.likes,
        updated: isoOf(model.updatedAt),
        gated: model.gated,
        private: model.private,
        why: against(model.name, type, model.config, model.tags, model.library_name),
      });
    }
  } catch (thrown) {
    readable(endpoint)(thrown);
  }
  return { found, cursor };
}

/** 500M, 1.5B: as the Hub takes them. */
const inUnits = (parameters: number): string =>
  parameters >= 1e9 ? `${parameters / 1e9}B` : `${parameters / 1e6}M`;

/** The cursor of the following page in a Link header. */
export function cursorOf(link: string | null): string | null {
  const next = /<([^>]+)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1];
  return next === undefined ? null : (URL.parse(next, 'http://h')?.searchParams.get('cursor') ?? null);
}

const familyId = (type: string): string | null =>
  [...families.values()].find((family) => family.modelTypes.includes(type))?.id ?? null;
const totalOf = (said: unknown): number | null => {
  const total = (said as { total?: unknown } | undefined)?.total;
  return typeof total === 'number' ? total : null;
};

/** Why a model cannot be grown, as far as its entry tells. */
function against(
  repo: string,
  type: string,
  config: unknown,
  tags: readonly string[] = [],
  library?: string,
): ErrorData | null {
  const quantized = isObject(config) ? config['quantization_config'] : undefined;
  if (library === 'peft' || tags.includes('adapter'))
    return appError('checkpoint/adapter', { path: repo }).toData();
  if (isObject(quantized))
    return appError('checkpoint/quantized', {
      path: repo,
      how: String(quantized['quant_method'] ?? 'quantization_config'),
    }).toData();
  if (familyId(type) === null)
    return type === ''
      ? appError('checkpoint/no-config', { path: repo }).toData()
      : appError('checkpoint/unknown-family', {
          type,
          known: [...families.values()].flatMap((family) => family.modelTypes),
        }).toData();
  if (!tags.includes('safetensors'))
    return tags.includes('pytorch')
      ? appError('checkpoint/pickle-only', { path: repo, file: 'pytorch_model.bin' }).toData()
      : appError('checkpoint/no-weights', { path: repo }).toData();
  return null;
}
