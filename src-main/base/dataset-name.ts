/** @file Names of datasets on the Hugging Face Hub as training data: `hf://datasets/OWNER/NAME@REV/config:split`. */

/** A dataset of the Hub as a person names it. What is missing has a default. */
export interface DatasetName {
  /** `owner/name`, or `name` of a dataset without an owner. */
  readonly repo: string;
  readonly revision: string | undefined;
  readonly config: string | undefined;
  readonly split: string | undefined;
}

const prefix = 'hf://datasets/';
const word = '[A-Za-z0-9_][A-Za-z0-9._-]{0,95}';
/** A branch, a tag or a commit; huggingface_hub also takes the two kinds of refs with slashes. */
const revisionPattern = 'refs/(?:convert|pr)/[\\w.-]+|[\\w][\\w.-]{0,199}';
const pattern = new RegExp(
  `^${prefix}(${word}(?:/${word})?)(?:@(${revisionPattern}))?(?:/([\\w.+-]{1,200}))?(?::([\\w.-]{1,100}))?$`,
);

/** True for data that is a dataset of the Hub, well-formed or not. */
export const isDatasetName = (data: string): boolean => data.startsWith('hf://');

/**
 * Parses a name; undefined if it is not of that form. Without a revision, a third part is the configuration:
 * `hf://datasets/owner/name/config`. A dataset without an owner needs a revision before its configuration.
 */
export function parseDatasetName(data: string): DatasetName | undefined {
  const match = pattern.exec(data);
  if (!match || data.includes('..') || data.includes('--')) return undefined;
  const [, repo, revision, config, split] = match;
  return { repo: repo!, revision, config, split };
}

/** The name that `parseDatasetName` reads. */
export function formatDatasetName({ repo, revision, config, split }: DatasetName): string {
  const parts = [revision && `@${revision}`, config && `/${config}`, split && `:${split}`];
  return `${prefix}${repo}${parts.filter(Boolean).join('')}`;
}
