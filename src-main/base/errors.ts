/**
 * @file The one kind of error that people see: a code, its data, one sentence and one remedy. Code and data
 * cross processes; words are made where they are shown.
 */

type Words = readonly [sentence: string, remedy: string];
const list = (names: readonly (string | number)[], most = 3): string =>
  names.slice(0, most).join(', ') + (names.length > most ? ` and ${names.length - most} more` : '');

/**
 * Every error of the app. A row makes its words from its data; an error that is not here is a bug and shows
 * as `internal`.
 */
export const errors = {
  internal: (d: { message: string }): Words => [
    `Something went wrong inside Cambium: ${d.message}`,
    'Please report this with the log of the run.',
  ],
  cancelled: (d: { what: string }): Words => [
    `${d.what} was cancelled`,
    'Nothing was left behind; start it again when you wish.',
  ],

  'file/not-found': (d: { path: string }): Words => [
    `${d.path} does not exist`,
    'Check the path, or pick the folder again.',
  ],
  'file/not-a-folder': (d: { path: string }): Words => [
    `${d.path} is not a folder`,
    'Choose the folder that holds config.json and the .safetensors files.',
  ],
  'file/unreadable': (d: { path: string; why: string }): Words => [
    `${d.path} cannot be read: ${d.why}`,
    'Check its permissions and that the disk is attached.',
  ],
  'file/unwritable': (d: { path: string; why: string }): Words => [
    `${d.path} cannot be written: ${d.why}`,
    'Choose another folder, or change its permissions.',
  ],
  'file/exists': (d: { path: string }): Words => [
    `${d.path} already exists`,
    'Choose a new name; Cambium never overwrites a folder.',
  ],
  'file/no-space': (d: { path: string; needed: number; free: number }): Words => [
    d.needed > 0
      ? `${d.path} needs ${size(d.needed)} but the disk has ${size(d.free)} free`
      : `the disk of ${d.path} is full`,
    'Free some space, or choose another disk.',
  ],
  'file/not-text': (d: { path: string; at: number }): Words => [
    `${d.path} is not UTF-8 text (byte ${d.at})`,
    'Give a plain text file, or .jsonl with a "text" field on each line.',
  ],
  'file/bad-json': (d: { path: string; why: string }): Words => [
    `${d.path} is not valid JSON: ${d.why}`,
    'The file is damaged or incomplete; fetch it again.',
  ],

  'checkpoint/no-config': (d: { path: string }): Words => [
    `${d.path} has no config.json`,
    'Choose the folder of a Hugging Face checkpoint.',
  ],
  'checkpoint/bad-config': (d: { path: string; key: string; why: string }): Words => [
    `${d.path}: ${d.key} ${d.why}`,
    'Compare config.json with the original on the Hub.',
  ],
  'checkpoint/unknown-family': (d: { type: string; known: readonly string[] }): Words => [
    `model_type "${d.type}" is not a family Cambium knows`,
    `It knows ${list(d.known, 20)}.`,
  ],
  'checkpoint/unsupported': (d: { what: string; why: string }): Words => [
    `${d.what} is not supported: ${d.why}`,
    'Use a checkpoint without it.',
  ],
  'checkpoint/quantized': (d: { path: string; how: string }): Words => [
    `${d.path} is quantized (${d.how})`,
    'Start from the full-precision checkpoint, or dequantize it first.',
  ],
  'checkpoint/adapter': (d: { path: string }): Words => [
    `${d.path} is an adapter, not a whole model`,
    'Merge the adapter into its base model first.',
  ],
  'checkpoint/pickle-only': (d: { path: string; file: string }): Words => [
    `${d.path} holds its weights only as a pickle (${d.file}), which can run code when opened`,
    'Convert it: in transformers, from_pretrained(…).save_pretrained(…, safe_serialization=True).',
  ],
  'checkpoint/no-weights': (d: { path: string }): Words => [
    `${d.path} has no .safetensors file`,
    'Is the download complete?',
  ],
  'checkpoint/missing-shard': (d: { path: string; file: string }): Words => [
    `${d.path} lacks the shard ${d.file} that its index names`,
    'Fetch the missing file again.',
  ],
  'checkpoint/shard-outside': (d: { path: string; file: string }): Words => [
    `the index of ${d.path} names a file outside the folder: ${d.file}`,
    'Do not trust this checkpoint; fetch it again from its source.',
  ],
  'checkpoint/missing-tensors': (d: { path: string; names: readonly string[] }): Words => [
    `${d.path} lacks ${d.names.length} weights: ${list(d.names)}`,
    'Is the download complete, and is config.json of the same model?',
  ],
  'checkpoint/unknown-tensors': (d: { path: string; names: readonly string[] }): Words => [
    `${d.path} has ${d.names.length} weights that its family does not name: ${list(d.names)}`,
    'Cambium will not drop weights silently; use a checkpoint of the plain family.',
  ],
  'checkpoint/wrong-shape': (d: {
    path: string;
    name: string;
    found: readonly number[];
    expected: readonly number[];
  }): Words => [
    `${d.path}: ${d.name} is [${d.found.join(', ')}] but config.json implies [${d.expected.join(', ')}]`,
    'config.json and the weights are not of the same model.',
  ],
  'checkpoint/not-finite': (d: { path: string; name: string; count: number }): Words => [
    `${d.path}: ${d.name} holds ${d.count} values that are not finite`,
    'The checkpoint is damaged, or its training diverged; use an earlier one.',
  ],
  'checkpoint/overflow': (d: { name: string; dtype: string; count: number }): Words => [
    `${d.count} values of ${d.name} are too large for ${d.dtype}`,
    'Choose float32 or bfloat16.',
  ],
  'checkpoint/no-tokenizer': (d: { path: string }): Words => [
    `${d.path} has no tokenizer.json`,
    'Copy the tokenizer files of the model into the folder.',
  ],
  'checkpoint/bad-tokenizer': (d: { path: string; why: string }): Words => [
    `the tokenizer of ${d.path} cannot be read: ${d.why}`,
    'Fetch tokenizer.json and tokenizer_config.json again.',
  ],

  'safetensors/truncated': (d: { path: string; expected: number; found: number }): Words => [
    `${d.path} is ${d.found} bytes but its header promises ${d.expected}`,
    'The download was cut off; fetch the file again.',
  ],
  'safetensors/bad-header': (d: { path: string; why: string }): Words => [
    `${d.path} has a damaged header: ${d.why}`,
    'Fetch the file again; if it stays so, the file is not safetensors.',
  ],
  'safetensors/unknown-dtype': (d: { path: string; name: string; dtype: string }): Words => [
    `${d.path}: ${d.name} has dtype ${d.dtype}`,
    'Cambium reads F32, F16 and BF16 weights; convert the checkpoint first.',
  ],

  'place/not-found': (d: { place: string }): Words => [
    `there is no place called ${d.place}`,
    'cambium place list shows those there are.',
  ],
  'place/exists': (d: { place: string }): Words => [
    `there is a place called ${d.place} already`,
    'Choose another name, or remove that one first.',
  ],
  'place/no-ssh': (d: { ssh: string }): Words => [
    `${d.ssh} was not found on this computer`,
    'Install OpenSSH; the connection to another computer goes through it.',
  ],
  'place/unreachable': (d: { place: string; why: string }): Words => [
    `${d.place} cannot be reached: ${d.why}`,
    'Try the same target with ssh in a terminal. A key with a passphrase must be in ssh-agent, because nobody can be asked here.',
  ],
  'place/no-cambium': (d: { place: string; command: string }): Words => [
    `${d.place} does not know the command ${d.command}`,
    'Install Cambium there, or add the place again with its path: --command "node /path/to/cambium/bin/cambium.mjs".',
  ],
  'place/version': (d: { place: string; here: string; there: string }): Words => [
    `${d.place} has Cambium ${d.there}, and this is ${d.here}`,
    'Bring both to the same version.',
  ],

  'serve/port': (d: { port: number; why: string }): Words => [
    `the port ${d.port} cannot be used: ${d.why}`,
    'Give another with --port, or leave it out to take a free one.',
  ],

  'growth/not-a-multiple': (d: {
    axis: string;
    from: number;
    to: number;
    nearest: readonly number[];
  }): Words => [
    `${d.axis} ${d.from} → ${d.to} is not a whole multiple`,
    `The nearest possible ${d.axis} is ${d.nearest.join(' or ')}; or use the method "expand".`,
  ],
  'growth/post-norm': (d: { axis: string; from: number; to: number; nearest: readonly number[] }): Words => [
    `${d.axis} ${d.from} → ${d.to} would pad a stream on which norms stand, and they would make constants of the new entries`,
    d.nearest.length
      ? `The nearest possible ${d.axis} is ${d.nearest.join(' or ')}.`
      : 'Use the method "hypercloning", which makes whole copies.',
  ],
  'growth/smaller': (d: { axis: string; from: number; to: number }): Words => [
    `${d.axis} cannot shrink from ${d.from} to ${d.to}`,
    `Choose ${d.from} or more.`,
  ],
  'growth/not-by-this-method': (d: { axis: string; method: string; methods: readonly string[] }): Words => [
    `${d.method} does not grow ${d.axis}`,
    d.methods.length ? `Use ${list(d.methods)}.` : 'Leave it as it is.',
  ],
  'growth/frozen': (d: { axis: string; why: string }): Words => [
    `${d.axis} cannot grow: ${d.why}`,
    'Grow the number of heads instead.',
  ],
  'growth/derived': (d: { axis: string; from: string; nearest: readonly number[]; of: string }): Words => [
    `${d.axis} must stay whole and follows from ${d.from}`,
    d.nearest.length
      ? `The nearest possible ${d.of} is ${d.nearest.join(' or ')}.`
      : 'Change the other sizes with it.',
  ],
  'growth/constraint': (d: { axis: string; to: number; why: string; nearest: readonly number[] }): Words => [
    `${d.axis} ${d.to} does not fit: ${d.why}`,
    d.nearest.length
      ? `The nearest possible ${d.axis} is ${d.nearest.join(' or ')}.`
      : 'Change the other sizes with it.',
  ],
  'growth/not-whole': (d: {
    axis: string;
    from: number;
    times: number;
    nearest: readonly number[];
  }): Words => [
    `${d.axis} ${d.from} × ${d.times} is not a whole number`,
    `Say the size itself; near are ${d.nearest.join(' and ')}.`,
  ],
  'growth/unknown-axis': (d: { axis: string; known: readonly string[] }): Words => [
    `"${d.axis}" is not a size of this family`,
    `Its sizes are ${list(d.known, 20)}.`,
  ],
  'growth/unknown-method': (d: { method: string; known: readonly string[] }): Words => [
    `"${d.method}" is not a growth method`,
    `The methods are ${list(d.known, 20)}.`,
  ],
  'growth/bad-option': (d: { method: string; option: string; why: string }): Words => [
    `${d.method}: option ${d.option} ${d.why}`,
    'See cambium plan --help for the options of each method.',
  ],
  'growth/nothing': (d: { method: string }): Words => [
    `${d.method} would grow nothing`,
    'Raise at least one size.',
  ],
  'growth/no-mixture': (d: { family: string; known: readonly string[] }): Words => [
    `${d.family} has no mixture of experts to become`,
    `Those that have one: ${list(d.known, 20)}.`,
  ],
  'growth/option-conflict': (d: {
    method: string;
    option: string;
    value: number | string;
    why: string;
    nearest: readonly number[];
  }): Words => [
    `${d.option} ${d.value} cannot be: ${d.why}`,
    d.nearest.length
      ? `The nearest possible ${d.option} is ${d.nearest.join(' or ')}.`
      : `Choose another ${d.option}.`,
  ],
  'growth/too-large': (d: { axis: string; to: number; most: number }): Words => [
    `${d.axis} ${d.to} is beyond what can be built`,
    `Choose at most ${d.most}.`,
  ],
  'growth/bad-plan': (d: { path: string; why: string }): Words => [
    `${d.path} is not a plan that can be carried out: ${d.why}`,
    'Make it again with cambium plan --save, or on the page that grows.',
  ],
  'growth/other-source': (d: { source: string; what: string; plan: string; found: string }): Words => [
    `the plan was made for another source: ${d.what} is ${d.plan} in the plan and ${d.found} in ${d.source}`,
    'Choose the checkpoint that it was made for, or plan anew.',
  ],

  'data/empty': (d: { path: string; tokens: number; needed: number }): Words => [
    `${d.path} gives ${d.tokens} tokens but ${d.needed} are needed`,
    'Give more text, or shorten the sequence.',
  ],
  'data/no-files': (d: { path: string }): Words => [
    `${d.path} holds no text that can be read`,
    'Give .txt, .jsonl or .parquet files, packed with gzip or zstd or not, or a folder or pattern that has such.',
  ],
  'data/arrow': (d: { path: string }): Words => [
    `${d.path} holds Arrow files, which Cambium does not read`,
    'In Python: datasets.load_from_disk(…).to_parquet("train.parquet"), and give that file.',
  ],
  'data/several-configs': (d: { path: string; names: readonly string[] }): Words => [
    `${d.path} holds ${d.names.length} datasets: ${list(d.names, 8)}`,
    'Give the folder of the one you mean.',
  ],
  'data/no-column': (d: { path: string; column: string; found: readonly string[] }): Words => [
    `${d.path} has no column ${d.column}`,
    `It has ${list(d.found, 12)}; name the one with the text.`,
  ],
  'data/bad-parquet': (d: { path: string; why: string }): Words => [
    `${d.path} cannot be read as Parquet: ${d.why}`,
    'Fetch the file again; if it stays so, write it anew with pyarrow or datasets.',
  ],
  'data/bad-line': (d: { path: string; line: number; why: string }): Words => [
    `${d.path}, line ${d.line}: ${d.why}`,
    'Each line of a .jsonl file is one JSON object with a "text" field.',
  ],
  'data/tokens-damaged': (d: { path: string; why: string }): Words => [
    `the token file ${d.path} is damaged: ${d.why}`,
    'Delete it; it is made again from the text.',
  ],

  'run/not-found': (d: { run: string }): Words => [
    `there is no run "${d.run}"`,
    'See cambium runs for the list.',
  ],
  'run/damaged': (d: { run: string; why: string }): Words => [
    `the run ${d.run} cannot be read: ${d.why}`,
    'Restore its folder from a backup, or start a new run.',
  ],
  'run/already-running': (d: { run: string }): Words => [
    `the run ${d.run} is already training`,
    'Follow it, or stop it first.',
  ],
  'run/not-running': (d: { run: string; state: string }): Words => [
    `the run ${d.run} is ${d.state}, not training`,
    'Resume it first.',
  ],
  'run/finished': (d: { run: string; steps: number }): Words => [
    `the run ${d.run} has finished its ${d.steps} steps`,
    'Start a new run from its export to train further.',
  ],
  'run/no-checkpoint': (d: { run: string }): Words => [
    `the run ${d.run} has no complete checkpoint`,
    'Start it again from its source.',
  ],
  'run/bad-setting': (d: { setting: string; why: string }): Words => [
    `${d.setting} ${d.why}`,
    'See cambium train --help.',
  ],
  'run/precision': (d: { device: string; precision: string; possible: readonly string[] }): Words => [
    `${d.device} does not compute in ${d.precision}`,
    `It can train in ${list(d.possible)}; choose with --precision, or another device with --device.`,
  ],
  'run/not-finite': (d: { step: number; what: string }): Words => [
    `the ${d.what} is not finite at step ${d.step}`,
    'Lower the learning rate or lengthen the warm-up, then resume from the last checkpoint.',
  ],
  'run/no-average': (d: { run: string; setting: string }): Words => [
    `the run ${d.run} keeps no such average of its weights`,
    `Start it with --${d.setting}; until then export the weights as they are.`,
  ],
  'run/no-source': (d: { checkpoint: string; why: string }): Words => [
    `there is no source to distil ${d.checkpoint} from: ${d.why}`,
    'Start from a checkpoint that Cambium grew, its source beside it, or set distil to 0.',
  ],
  'run/decaying': (d: { run: string; steps: number }): Words => [
    `the run ${d.run} is decaying already and ends at step ${d.steps}`,
    'To train on afterwards: cambium resume --tokens.',
  ],
  'run/fewer-tokens': (d: { run: string; asked: number; done: number }): Words => [
    `the run ${d.run} has trained on ${d.done} tokens already, and ${d.asked} are no more`,
    `Ask for more than ${d.done} tokens in all.`,
  ],
  'run/damaged-checkpoint': (d: { path: string; why: string }): Words => [
    `the training checkpoint ${d.path} is damaged: ${d.why}`,
    'Resume uses the previous complete one; delete this folder.',
  ],

  'job/not-found': (d: { job: string }): Words => [
    `there is no job "${d.job}"`,
    'It may have belonged to a session of Cambium that has ended.',
  ],

  'hub/bad-name': (d: { given: string }): Words => [
    `"${d.given}" is not the name of a repository`,
    'A name looks like owner/name.',
  ],
  'hub/offline': (d: { what: string }): Words => [
    `HF_HUB_OFFLINE is set, so the Hub cannot be asked for ${d.what}`,
    'Unset it, or use what is already in the cache.',
  ],
  'hub/unreachable': (d: { endpoint: string; why: string }): Words => [
    `${d.endpoint} cannot be reached: ${d.why}`,
    'Check the network and try again; a download goes on where it stopped.',
  ],
  'hub/down': (d: { endpoint: string; status: number }): Words => [
    `${d.endpoint} is in trouble (error ${d.status})`,
    'Try again in a few minutes; what was fetched is kept.',
  ],
  'hub/too-many': (d: { endpoint: string; seconds: number }): Words => [
    `${d.endpoint} asks for fewer requests`,
    `Wait ${d.seconds} seconds and try again; what was fetched is kept.`,
  ],
  'hub/no-repo': (d: { repo: string; endpoint: string }): Words => [
    `there is no model ${d.repo} on ${d.endpoint}, or it is private`,
    'Check the name; for a private model, give a token of an account that may read it.',
  ],
  'hub/no-revision': (d: { repo: string; revision: string }): Words => [
    `${d.repo} has no revision "${d.revision}"`,
    'Give a branch, a tag or a commit that its page lists.',
  ],
  'hub/no-file': (d: { repo: string; file: string }): Words => [
    `${d.repo} no longer has the file ${d.file}`,
    'Look at the model again; what was fetched is kept.',
  ],
  'hub/gated': (d: { repo: string; url: string; token: boolean }): Words => [
    `${d.repo} is gated: its authors ask you to accept their terms first`,
    d.token
      ? `Ask for access at ${d.url} with the account of your token, and try again when it is granted.`
      : `Ask for access at ${d.url}, then give Cambium a token of that account.`,
  ],
  'hub/bad-token': (d: { from: string }): Words => [
    `the Hub does not accept the token from ${d.from}`,
    'Make a new one at https://huggingface.co/settings/tokens and set it in place of the old one.',
  ],
  'hub/token-form': (d: { from: string }): Words => [
    `the token from ${d.from} holds a character that no token has`,
    'Copy it whole, on one line and not masked; the Hub shows a token once, when it is made at https://huggingface.co/settings/tokens.',
  ],
  'hub/no-token': (d: { what: string }): Words => [
    `${d.what} needs a token of your Hugging Face account`,
    'Make one at https://huggingface.co/settings/tokens, then set HF_TOKEN or paste it on the Hub page.',
  ],
  'hub/no-write': (d: { repo: string }): Words => [
    `the token may not write to ${d.repo}`,
    'Make a token with the role "write" at https://huggingface.co/settings/tokens.',
  ],
  'hub/changed': (d: { repo: string; file: string }): Words => [
    `${d.file} of ${d.repo} is not what it was when the download began`,
    'Look at the model again; what was fetched before is kept.',
  ],
  'hub/wrong-bytes': (d: { repo: string; file: string }): Words => [
    `${d.file} of ${d.repo} arrived twice with another hash than the Hub states`,
    'Try again later; the other files are kept.',
  ],
  'hub/answer': (d: { endpoint: string; why: string }): Words => [
    `${d.endpoint} gave an answer that Cambium cannot read: ${d.why}`,
    'Check HF_ENDPOINT; if it is right, try again later.',
  ],
  'hub/refused': (d: { endpoint: string; status: number; why: string }): Words => [
    `${d.endpoint} refused with ${d.status}: ${d.why}`,
    'Correct what it names and try again.',
  ],
  'hub/already': (d: { repo: string }): Words => [
    `${d.repo} is already being fetched`,
    'Follow that download, or pause it first.',
  ],
  'hub/not-an-export': (d: { path: string; file: string }): Words => [
    `${d.path} holds ${d.file}, which does not belong in a model's repository`,
    'Push a folder that Export or Grow has made.',
  ],
  'hub/secret': (d: { path: string; file: string }): Words => [
    `${d.file} of ${d.path} holds what looks like an access token`,
    'Take it out before you push; everybody with access to the repository could use it.',
  ],

  'export/onnx-type': (d: { dtype: string }): Words => [
    `an ONNX file is written in float32, not in ${d.dtype}`,
    'Leave the element type as it is; onnxruntime can quantize the file.',
  ],
  'export/differs': (d: { path: string; what: string }): Words => [
    `the export ${d.path} does not read back as it was written: ${d.what}`,
    'Check the disk; the export was removed.',
  ],

  'gpu/wheel': (d: { path: string; why: string }): Words => [
    `${d.path} cannot be installed: ${d.why}`,
    'See cambium gpu install --help for the packages that are needed.',
  ],
  'gpu/download': (d: { what: string; why: string }): Words => [
    `${d.what} could not be downloaded: ${d.why}`,
    'Try again, or fetch the files elsewhere and give them with --from.',
  ],
  'gpu/no-pip': (d: { tried: readonly string[] }): Words => [
    `no pip was found (tried ${list(d.tried, 5)})`,
    'Install pip or uv, name an index with --index, or fetch the wheels elsewhere and give them with --from.',
  ],
  'gpu/platform': (d: { platform: string }): Words => [
    `the CUDA provider is not made for ${d.platform}`,
    'It needs Linux on x86-64 or ARM 64 with an NVIDIA GPU; elsewhere use WebGPU.',
  ],

  'engine/no-device': (d: { device: string; why: string }): Words => [
    `the device "${d.device}" cannot be used: ${d.why}`,
    'See cambium doctor for what is missing.',
  ],
  'engine/other-device': (d: { asked: string; got: string }): Words => [
    `asked for ${d.asked} but the work would run on ${d.got}`,
    'Cambium never changes the device silently; choose another with --device.',
  ],
  'engine/out-of-memory': (d: {
    device: string;
    detail: string;
    fits?: readonly { what: string; bytes: number }[];
  }): Words => [
    `${d.device} ran out of memory`,
    !d.fits
      ? 'Lower the batch, raise accumulation, or shorten the sequence.'
      : d.fits.length
        ? `It would fit with ${d.fits.map((f) => `${f.what} (${size(f.bytes)})`).join('; or ')}. Nothing saved is lost: cambium resume takes these settings.`
        : 'No setting makes it fit; train a smaller model, or on a device with more memory.',
  ],
  'engine/crashed': (d: { how: string; lines: string }): Words => [
    `the engine process ended unexpectedly (${d.how})`,
    'The run can be resumed from its last checkpoint; its log has the details.',
  ],
  'engine/runtime': (d: { call: string; message: string }): Words => [
    `ONNX Runtime refused ${d.call}: ${d.message}`,
    'See cambium doctor; if the device is at fault, try --device cpu.',
  ],
  'engine/library': (d: { path: string; why: string }): Words => [
    `the ONNX Runtime library ${d.path} cannot be loaded: ${d.why}`,
    'Run npm ci again; cambium doctor tells what is missing.',
  ],

  'graph/shapes': (d: { op: string; shapes: string }): Words => [
    `${d.op} cannot take ${d.shapes}`,
    'This is a bug in the graph; please report it.',
  ],
  'graph/invalid': (d: { pass: string; node: string; why: string }): Words => [
    `after ${d.pass}, ${d.node}: ${d.why}`,
    'This is a bug in the graph; please report it.',
  ],
  'graph/no-gradient': (d: { op: string }): Words => [
    `${d.op} has no gradient rule`,
    'This is a bug in the graph; please report it.',
  ],

  'rpc/closed': (_: Record<never, never>): Words => [
    'the connection closed',
    'The work goes on over there; reconnect to follow it.',
  ],
  'rpc/bad-input': (d: { call: string; why: string }): Words => [
    `${d.call}: ${d.why}`,
    'Correct the value and try again.',
  ],
  'rpc/unknown': (d: { call: string }): Words => [
    `there is no procedure "${d.call}"`,
    'The two sides are of different versions; update both.',
  ],
  usage: (d: { why: string }): Words => [d.why, 'See cambium --help.'],
} as const;

export type ErrorCode = keyof typeof errors;
export type ErrorDetail<C extends ErrorCode> = Parameters<(typeof errors)[C]>[0];

/** What crosses a process boundary. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly detail: unknown;
}

/** An error a person can act on; `message` is one sentence and the remedy. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly detail: unknown;
  constructor(code: ErrorCode, detail: unknown) {
    const [sentence, remedy] = wordsOf({ code, detail });
    super(`${sentence}. ${remedy}`);
    this.name = 'AppError';
    this.code = code;
    this.detail = detail;
  }
  /** The form that crosses a process boundary. */
  toData(): ErrorData {
    return { code: this.code, detail: this.detail };
  }
}

export const appError = <C extends ErrorCode>(code: C, detail: ErrorDetail<C>): AppError =>
  new AppError(code, detail);

/** Throws; its type lets it stand where a value is wanted. */
export function refuse<C extends ErrorCode>(code: C, detail: ErrorDetail<C>): never {
  throw new AppError(code, detail);
}

/** The sentence and the remedy of an error, in words. */
export function wordsOf(error: ErrorData): Words {
  const row = errors[error.code] as ((detail: never) => Words) | undefined;
  return row ? row(error.detail as never) : [String(error.code), 'Please report this.'];
}

/** Any thrown thing as error data; what is not an `AppError` becomes `internal`. */
export function dataOf(thrown: unknown): ErrorData {
  if (thrown instanceof AppError) return thrown.toData();
  return { code: 'internal', detail: { message: thrown instanceof Error ? thrown.message : String(thrown) } };
}

function size(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit ? value.toFixed(1) : value} ${units[unit]!}`;
}
