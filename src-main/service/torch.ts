/** @file The Python with PyTorch: its status, its installation and its removal. */
import { refuse } from '../base/errors.ts';
import { createQueue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type { TorchEvent, TorchStatus } from '../contract/torch.ts';
import { installTorch, removeTorch } from '../launch/install.ts';
import { chooseTorchPython, inspectPython, pythonIn, torchFolder } from '../launch/python.ts';
import { exists } from '../store/fs/files.ts';
import { createLinkedController } from '../store/fs/signals.ts';

export async function torchStatus(): Promise<TorchStatus> {
  const command = chooseTorchPython();
  const isChosen = command !== pythonIn(torchFolder());
  const isThere = isChosen || (await exists(command));
  const report = isThere ? await inspectPython(command) : undefined;
  if (!report) return { command, isChosen, found: null };
  const { python, packages, missing, gpus } = report;
  return { command, isChosen, found: { python, packages, missing, gpus } };
}

/** Throws `torch/chosen` if CAMBIUM_PYTHON is set, because its Python would be used in any case. */
export async function* installTorchWithProgress(signal?: AbortSignalLike): AsyncGenerator<TorchEvent> {
  const command = chooseTorchPython();
  if (command !== pythonIn(torchFolder())) refuse('torch/chosen', { python: command });
  const controller = createLinkedController(signal);
  const events = createQueue<TorchEvent>();
  const onProgress = (what: string): void => {
    events.push({ type: 'progress', what });
  };
  const work = async (): Promise<void> => {
    await installTorch({ onProgress, signal: controller.signal });
    events.push({ type: 'done', status: await torchStatus() });
  };
  work().then(events.end, events.fail);
  try {
    yield* events;
  } finally {
    controller.abort();
  }
}

export const removeTorchFolder = async (): Promise<{ readonly removed: boolean }> => ({
  removed: await removeTorch(),
});
