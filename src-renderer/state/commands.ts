/** @file The commands of the palette: pages, checkpoints, runs and themes, found by their words. */
import { activeStates } from '../../src-main/contract/activity.ts';
import { runStateLabels } from '../parts/labels.ts';
import { baseName } from '../format.ts';
import { navigate, type PageName, type RouteParams } from './route.svelte.ts';
import type { Session } from './session.svelte.ts';
import { themeChoices, type Theme } from './theme.svelte.ts';

export interface Command {
  readonly id: string;
  readonly label: string;
  /** What kind of command it is. */
  readonly group: 'Go to' | 'Models' | 'Runs' | 'Actions';
  /** Shown behind the label, and searched too. */
  readonly detail?: string;
  readonly run: () => unknown;
}

const pages: readonly (readonly [page: PageName, label: string])[] = [
  ['library', 'Models'],
  ['runs', 'Runs'],
  ['hub', 'Hugging Face Hub'],
  ['devices', 'This computer'],
  ['lineage', 'Lineage'],
  ['settings', 'Settings'],
  ['help', 'Help'],
];

const goTo = (page: PageName, params: RouteParams = {}) => {
  return (): void => {
    navigate(page, params);
  };
};

export function listCommands(
  session: Pick<Session, 'checkpoints' | 'runs' | 'service' | 'refresh'>,
  theme: Pick<Theme, 'choice' | 'setChoice'>,
): readonly Command[] {
  const { checkpoints, runs, service } = session;
  const ofCheckpoints = checkpoints.flatMap(({ dir, name, builtIn }): Command[] => {
    const detail = builtIn ? 'Demo checkpoint' : dir;
    const group = 'Models';
    return [
      { id: `open ${dir}`, label: `Open ${name}`, detail, group, run: goTo('checkpoint', { dir }) },
      { id: `grow ${dir}`, label: `Grow ${name}`, detail, group, run: goTo('grow', { dir }) },
      { id: `train ${dir}`, label: `Train ${name}`, detail, group, run: goTo('train', { dir }) },
    ];
  });
  const ofRuns = [...runs]
    .sort((a, b) => b.created.localeCompare(a.created))
    .flatMap(({ id, name, state, checkpoint }): Command[] => {
      const detail = `${runStateLabels[state]} · ${baseName(checkpoint)}`;
      const open: Command = { id: `run ${id}`, label: name, detail, group: 'Runs', run: goTo('run', { id }) };
      if (!activeStates.includes(state)) return [open];
      const run = (): Promise<void> => service.stopRun({ id }).then(() => session.refresh());
      return [open, { id: `pause ${id}`, label: `Pause ${name}`, group: 'Actions', run }];
    });
  return [
    ...pages.map(([page, label]): Command => ({
      id: `page ${page}`,
      label,
      group: 'Go to',
      run: goTo(page),
    })),
    ...ofCheckpoints,
    ...ofRuns,
    ...themeChoices
      .filter((choice) => choice !== theme.choice)
      .map((choice): Command => {
        const run = (): void => {
          theme.setChoice(choice);
        };
        return { id: `theme ${choice}`, label: `Theme: ${choice}`, group: 'Actions', run };
      }),
  ];
}

/** The commands that contain every word of `query`; those whose label begins with it come first. */
export function findCommands(commands: readonly Command[], query: string, limit = 40): readonly Command[] {
  const text = query.trim().toLowerCase();
  const words = text.split(/\s+/).filter(Boolean);
  const matching = commands.filter(({ label, group, detail = '' }) => {
    const searched = `${group} ${label} ${detail}`.toLowerCase();
    return words.every((word) => searched.includes(word));
  });
  const rankOf = ({ label }: Command): number => (label.toLowerCase().startsWith(text) ? 0 : 1);
  return [...matching].sort((a, b) => rankOf(a) - rankOf(b)).slice(0, limit);
}
