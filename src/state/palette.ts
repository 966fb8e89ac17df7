/**
 * Palette: everything that can be found by its name: the commands, the methods and the topics of the help, and how well
 * each of them fits what was typed. Pure. Not the dialog (`ui/palette-dialog.tsx`).
 */

import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import type { Command, Commands } from './commands.ts';
import type { HelpTopic } from './help-topics.ts';
import { switchQuestion } from './method-switch.ts';
import type { Studio, StudioState } from './studio.ts';
import type { View } from './view.ts';

/** Something that the palette offers. */
export interface PaletteEntry {
  readonly key: string;
  readonly label: string;
  /** The heading that it stands under. */
  readonly group: string;
  /** A sentence about it; null where the label says it all. */
  readonly help: string | null;
  /** In the commands' own form. */
  readonly shortcut: string | null;
  readonly isEnabled: boolean;
  /** Why it cannot be used now; null where it can, or where nothing more can be said. */
  readonly obstacle: string | null;
  readonly perform: () => void | Promise<unknown>;
}

/** What the palette is made from. */
export interface PaletteSources {
  readonly commands: Commands;
  readonly studio: Studio;
  readonly view: View;
  readonly topics: readonly HelpTopic[];
}

/** Everything, as it stands now. The palette's own command is left out: it is open. */
export function paletteEntries({ commands, studio, view, topics }: PaletteSources): readonly PaletteEntry[] {
  return [
    ...Object.values<Command>(commands)
      .filter(({ name, isHidden }) => name !== 'openPalette' && isHidden?.() !== true)
      .map(commandEntry),
    ...[...METHODS.values()].map((method) => methodEntry(method, studio)),
    ...topics.map(
      ({ name, title }): PaletteEntry => ({
        key: `help ${name}`,
        label: `Help: ${title}`,
        group: 'Help',
        help: null,
        shortcut: null,
        isEnabled: true,
        obstacle: null,
        perform: () => view.change({ overlay: 'help', helpTopic: name }),
      }),
    ),
  ];
}

function commandEntry(command: Command): PaletteEntry {
  const isEnabled = command.isEnabled();
  return {
    key: `command ${command.name}`,
    label: command.label,
    group: command.group,
    help: command.help ?? null,
    shortcut: command.shortcut,
    isEnabled,
    obstacle: isEnabled ? null : (command.obstacle?.() ?? null),
    perform: command.perform,
  };
}

function methodEntry(method: Method, studio: Studio): PaletteEntry {
  const obstacle = methodObstacle(method, studio.store.getState());
  return {
    key: `method ${method.name}`,
    label: `Method: ${method.title}`,
    group: 'Method',
    help: method.summary,
    shortcut: null,
    isEnabled: obstacle === null,
    obstacle,
    perform() {
      const { recipe, checkpoints } = studio.store.getState();
      const question =
        recipe &&
        switchQuestion(
          recipe,
          method,
          checkpoints.map(({ name }) => name),
        );
      // Where it takes others than the recipe has, those that are proposed; undo brings the rest back.
      studio.chooseMethod(method, question?.proposed ?? null);
    },
  };
}

/** Why a method cannot be chosen now; null where it can. */
function methodObstacle(method: Method, { recipe, problems, checkpoints }: StudioState): string | null {
  if (recipe === null) return 'Open a base model and its fine-tunes first.';
  if (problems.length > 0) return 'The recipe has an error; mend it first.';
  if (recipe.method === method.name) return 'In use.';
  const question = switchQuestion(
    recipe,
    method,
    checkpoints.map(({ name }) => name),
  );
  if (question === null || question.candidates.length >= question.least) return null;
  return `${question.sentence} Open another checkpoint to use it.`;
}

/** The entries that fit what was typed, the best first; all of them, in their own order, where nothing was typed. */
export function foundEntries(entries: readonly PaletteEntry[], typed: string): readonly PaletteEntry[] {
  const words = wordsOf(typed);
  if (words.length === 0) return entries;
  return (
    entries
      .map((entry) => ({ entry, score: scoreOf(entry, words) }))
      .filter(({ score }) => score > 0)
      // A stable sort: what fits alike keeps the order of the groups. What can be used goes before what cannot.
      .sort((a, b) => b.score - a.score || Number(b.entry.isEnabled) - Number(a.entry.isEnabled))
      .map(({ entry }) => entry)
  );
}

function wordsOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[\s_:.,()/-]+/)
    .filter(Boolean);
}

/** More than any entry gets that is only partly what was typed. */
const WHOLE = 100;

/** How well an entry fits: 0 where one of the words is nowhere in it. Words may come in any order. */
function scoreOf(entry: PaletteEntry, words: readonly string[]): number {
  const label = entry.label.toLowerCase();
  const labelWords = wordsOf(label);
  const rest = `${entry.key} ${entry.group} ${entry.help ?? ''}`.toLowerCase();
  let sum = labelWords.join(' ') === words.join(' ') ? WHOLE : 0;
  for (const word of words) {
    const score = labelWords.includes(word)
      ? 6
      : labelWords.some((own) => own.startsWith(word))
        ? 5
        : label.includes(word)
          ? 4
          : wordsOf(rest).some((own) => own.startsWith(word))
            ? 2
            : labelWords.some((own) => isNear(word, own))
              ? 1
              : 0;
    if (score === 0) return 0;
    sum += score;
  }
  return sum;
}

/** Whether a word's letters come in this order in another that begins with the same letter: `smp` in `samples`. */
function isNear(word: string, other: string): boolean {
  if (word.length < 3 || word[0] !== other[0]) return false;
  let at = 0;
  for (const letter of other) if (letter === word[at]) at++;
  return at === word.length;
}
