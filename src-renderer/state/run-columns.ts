/** @file The columns of the table of runs. */
import { runStateLabels } from '../parts/labels.ts';
import { baseName } from '../format.ts';
import type { RunSummary } from '../../src-main/contract/schema.ts';
import type { TableColumn } from './table.svelte.ts';

export const runColumns: readonly TableColumn<RunSummary>[] = [
  { id: 'name', label: 'Name', sortBy: ({ name }) => name, isFixed: true },
  { id: 'state', label: 'State', sortBy: ({ state }) => runStateLabels[state] },
  {
    id: 'progress',
    label: 'Progress',
    sortBy: ({ step, steps }) => (steps > 0 ? step / steps : null),
    from: 'tablet',
  },
  { id: 'loss', label: 'Loss', sortBy: ({ loss }) => loss, isNumber: true },
  {
    id: 'heldOut',
    label: 'Held-out loss',
    sortBy: ({ heldOutLoss }) => heldOutLoss,
    isNumber: true,
    from: 'tablet',
  },
  { id: 'tokens', label: 'Tokens', sortBy: ({ tokens }) => tokens, isNumber: true, from: 'wide' },
  {
    id: 'speed',
    label: 'Tokens/s',
    sortBy: ({ tokens, seconds }) => (seconds > 0 ? tokens / seconds : null),
    isNumber: true,
    from: 'desktop',
    isOptional: true,
  },
  { id: 'cost', label: 'Cost', sortBy: ({ cost }) => cost, isNumber: true, from: 'tablet' },
  { id: 'model', label: 'Model', sortBy: ({ checkpoint }) => baseName(checkpoint), from: 'desktop' },
  {
    id: 'lr',
    label: 'Learning rate',
    sortBy: ({ settings }) => settings.lr,
    isNumber: true,
    from: 'desktop',
    isOptional: true,
  },
  {
    id: 'notes',
    label: 'Notes',
    sortBy: ({ notes }) => notes ?? null,
    from: 'desktop',
    isOptional: true,
  },
  { id: 'created', label: 'Created', sortBy: ({ created }) => created, from: 'tablet' },
];
