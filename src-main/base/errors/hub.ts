/** @file Errors of the Hugging Face Hub. */
import { listNames, type ErrorText } from './text.ts';

const tokenPage = 'https://huggingface.co/settings/tokens';

/** The names of datasets begin with `datasets/`, as their addresses do. */
const describeKind = (repo: string): string =>
  repo.startsWith('datasets/') ? `dataset ${repo.slice('datasets/'.length)}` : `model ${repo}`;

export const hubErrors = {
  'hub/bad-name': (d: { given: string }): ErrorText => [
    `"${d.given}" is not the name of a repository`,
    'Use a name of the form owner/name.',
  ],
  'hub/offline': (d: { what: string }): ErrorText => [
    `HF_HUB_OFFLINE is set, so ${d.what} cannot be requested from the Hub`,
    'Unset it, or use a model from the cache.',
  ],
  'hub/unreachable': (d: { endpoint: string; why: string }): ErrorText => [
    `cannot connect to ${d.endpoint}: ${d.why}`,
    'Check the network and try again; a download continues where it stopped.',
  ],
  'hub/down': (d: { endpoint: string; status: number }): ErrorText => [
    `${d.endpoint} has a server error (${d.status})`,
    'Try again in a few minutes; downloaded files are kept.',
  ],
  'hub/too-many': (d: { endpoint: string; seconds: number }): ErrorText => [
    `${d.endpoint} limits the rate of requests`,
    `Try again in ${d.seconds} seconds; downloaded files are kept.`,
  ],
  'hub/no-repo': (d: { repo: string; endpoint: string }): ErrorText => [
    `there is no ${describeKind(d.repo)} on ${d.endpoint}, or it is private`,
    'Check the name; a private repository needs the token of an account that may read it.',
  ],
  'hub/bad-dataset': (d: { given: string }): ErrorText => [
    `"${d.given}" is not the name of a dataset`,
    'Use hf://datasets/OWNER/NAME, if needed followed by @REVISION, /CONFIGURATION and :SPLIT.',
  ],
  'hub/no-parquet': (d: { repo: string }): ErrorText => [
    `the dataset ${d.repo} has no Parquet files, and the Hub has made none of it`,
    'Download it, convert it in Python with datasets.load_dataset(…).to_parquet("train.parquet"), and use that file.',
  ],
  'hub/several-configs': (d: { repo: string; found: readonly string[] }): ErrorText => [
    `the dataset ${d.repo} has ${d.found.length} configurations: ${listNames(d.found, 12)}`,
    `Name one, such as hf://datasets/${d.repo}/${d.found[0] ?? 'default'}.`,
  ],
  'hub/no-config': (d: { repo: string; config: string; found: readonly string[] }): ErrorText => [
    `the dataset ${d.repo} has no configuration "${d.config}"`,
    `It has ${listNames(d.found, 12)}.`,
  ],
  'hub/no-split': (d: { repo: string; split: string; found: readonly string[] }): ErrorText => [
    `the dataset ${d.repo} has no split "${d.split}"`,
    `Name one of ${listNames(d.found, 12)}, such as hf://datasets/${d.repo}:${d.found[0] ?? 'train'}.`,
  ],
  'hub/no-revision': (d: { repo: string; revision: string }): ErrorText => [
    `${d.repo} has no revision "${d.revision}"`,
    'Use a branch, a tag or a commit that its page lists.',
  ],
  'hub/no-file': (d: { repo: string; file: string }): ErrorText => [
    `${d.repo} no longer has the file ${d.file}`,
    'Open the model again; downloaded files are kept.',
  ],
  'hub/gated': (d: { repo: string; url: string; token: boolean }): ErrorText => [
    `${d.repo} is gated: its authors ask you to accept their terms first`,
    d.token
      ? `Request access at ${d.url} with the account of your token, and try again when it is granted.`
      : `Request access at ${d.url}, then give Cambium a token of that account.`,
  ],
  'hub/bad-token': (d: { from: string }): ErrorText => [
    `the Hub does not accept the token from ${d.from}`,
    `Create a new one at ${tokenPage} and replace the old one.`,
  ],
  'hub/token-form': (d: { from: string }): ErrorText => [
    `the token from ${d.from} contains a character that no token has`,
    `Copy the full token on one line; the Hub shows it only once, when it is created at ${tokenPage}.`,
  ],
  'hub/no-token': (d: { what: string }): ErrorText => [
    `${d.what} needs a token of your Hugging Face account`,
    `Create one at ${tokenPage}, then set HF_TOKEN or paste it on the Hub page.`,
  ],
  'hub/no-write': (d: { repo: string }): ErrorText => [
    `the token may not write to ${d.repo}`,
    `Create a token with the role "write" at ${tokenPage}.`,
  ],
  'hub/changed': (d: { repo: string; file: string }): ErrorText => [
    `${d.file} of ${d.repo} has changed since the download began`,
    'Open the model again; files that were already downloaded are kept.',
  ],
  'hub/wrong-bytes': (d: { repo: string; file: string }): ErrorText => [
    `${d.file} of ${d.repo} was downloaded twice, and both times its hash was wrong`,
    'Try again later; the other files are kept.',
  ],
  'hub/answer': (d: { endpoint: string; why: string }): ErrorText => [
    `${d.endpoint} sent a response that Cambium cannot read: ${d.why}`,
    'Check HF_ENDPOINT; if it is right, try again later.',
  ],
  'hub/refused': (d: { endpoint: string; status: number; why: string }): ErrorText => [
    `${d.endpoint} rejected the request with status ${d.status}: ${d.why}`,
    'Correct the request and try again.',
  ],
  'hub/already': (d: { repo: string }): ErrorText => [
    `${d.repo} is already being downloaded`,
    'Follow that download, or pause it first.',
  ],
  'hub/not-an-export': (d: { path: string; file: string }): ErrorText => [
    `${d.path} contains ${d.file}, which does not belong in a model repository`,
    'Push a folder that Export or Grow has written.',
  ],
  'hub/secret': (d: { path: string; file: string }): ErrorText => [
    `${d.file} in ${d.path} seems to contain an access token`,
    'Remove it before pushing; everyone with access to the repository could use it.',
  ],
} as const;
