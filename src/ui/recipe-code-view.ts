/**
 * Recipe code view: the editor of the recipe's text, kept in step with the studio both ways. The text in the history is
 * the truth: what is typed goes there, and every other change of it comes here as the few changes that it is, so that
 * cursor, scroll position and folds stay. The editor has no history of its own. Not a React component.
 */

import { completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { codeFolding, foldGutter, foldKeymap, indentUnit } from '@codemirror/language';
import { lintGutter, nextDiagnostic, previousDiagnostic } from '@codemirror/lint';
import { search, searchKeymap } from '@codemirror/search';
import { EditorState, type Extension } from '@codemirror/state';
import { EditorView, type KeyBinding, keymap, lineNumbers } from '@codemirror/view';
import { textChanges } from '../recipe/text-change.ts';
import type { Command } from '../state/commands.ts';
import type { Studio, StudioState } from '../state/studio.ts';
import { recipeCodeHelp } from './recipe-code-help.ts';
import { endFlash, fromOutside, markProblems, recipeCodeFlash } from './recipe-code-marks.ts';
import { recipeCodeTheme } from './recipe-code-theme.ts';

/** How long lines that were changed from outside stay marked. */
const FLASH_MS = 1200;

/** What the editor's content element is called, and where it is described. */
export interface RecipeCodeNames {
  readonly label: string;
  /** Ids of what describes it. */
  readonly describedBy: string;
}

/** The editor; `destroy` takes it out of the page and off the studio. */
export interface RecipeCodeView {
  readonly view: EditorView;
  readonly destroy: () => void;
}

/** Makes the editor in `parent`. The page's own shortcuts, which `commands` declare, keep their keys. */
export function createRecipeCodeView(
  parent: HTMLElement,
  studio: Studio,
  commands: readonly Command[],
  names: RecipeCodeNames,
): RecipeCodeView {
  const { store, history } = studio;
  let isStep = false;
  let flashing: ReturnType<typeof setTimeout> | undefined;

  /** Undo and redo are the studio's; the cursor goes where they changed something. */
  const step = (perform: () => void) => () => {
    isStep = true;
    perform();
    isStep = false;
    return true;
  };
  const undo = step(history.undo);
  const redo = step(history.redo);
  const stepKeys: KeyBinding = {
    any(_, event) {
      const key = event.key.toLowerCase();
      if (!(event.ctrlKey || event.metaKey) || event.altKey || (key !== 'z' && key !== 'y')) return false;
      if (key === 'y' && event.shiftKey) return false;
      event.preventDefault();
      return key === 'y' || event.shiftKey ? redo() : undo();
    },
  };

  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: plain(store.getState().text),
      extensions: [
        recipeCodeTheme,
        lineNumbers(),
        foldGutter({ markerDOM: foldMarker }),
        codeFolding({ placeholderText: '…' }),
        lintGutter(),
        yaml(),
        indentUnit.of('  '),
        search({ top: true }),
        recipeCodeHelp(() => surroundingOf(store.getState())),
        recipeCodeFlash,
        keymap.of([
          stepKeys,
          { key: 'F8', run: nextDiagnostic, shift: previousDiagnostic },
          ...completionKeymap,
          ...besides(commands, [...searchKeymap, ...foldKeymap, ...defaultKeymap]),
        ]),
        historyEvents(undo, redo),
        EditorView.contentAttributes.of(() => ({
          'aria-label': names.label,
          'aria-describedby': names.describedBy,
          'aria-invalid': String(store.getState().problems.length > 0),
          autocapitalize: 'off',
          autocorrect: 'off',
          spellcheck: 'false',
          // It can have the focus anyway; said outright, so that what scrolls around a long line counts as reachable.
          tabindex: '0',
        })),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged || update.transactions.some((own) => own.annotation(fromOutside))) return;
          const next = inStyleOf(history.text(), update.state.doc.toString());
          studio.edit(() => next, 'typing');
        }),
      ],
    }),
  });

  const follow = (text: string) => {
    const changes = textChanges(view.state.doc.toString(), plain(text));
    if (changes.length === 0) return;
    const set = view.state.changes(changes);
    const last = changes.at(-1);
    const cursor = isStep && last ? set.mapPos(last.to, 1) : null;
    view.dispatch({
      changes: set,
      annotations: fromOutside.of(true),
      ...(cursor === null ? {} : { selection: { anchor: cursor }, scrollIntoView: true }),
    });
    clearTimeout(flashing);
    flashing = setTimeout(() => view.dispatch({ effects: endFlash.of(null) }), FLASH_MS);
  };
  const mark = () => {
    const { problems, check } = store.getState();
    const warnings = (check?.findings ?? []).flatMap(({ filter, message }) =>
      filter === undefined ? [] : [{ filter, message }],
    );
    view.dispatch(markProblems(view.state, problems, problems.length > 0 ? [] : warnings));
  };
  mark();
  const stop = store.subscribe((state, before) => {
    if (state.text !== before.text) follow(state.text);
    if (state.problems !== before.problems || state.text !== before.text || state.check !== before.check) mark();
  });
  return {
    view,
    destroy() {
      stop();
      clearTimeout(flashing);
      view.destroy();
    },
  };
}

/** The text as the editor holds it: with plain line ends. */
function plain(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

/** What was typed, with the line ends that the text has. */
function inStyleOf(text: string, typed: string): string {
  return text.includes('\r\n') ? typed.replaceAll('\n', '\r\n') : typed;
}

function surroundingOf({ checkpoints, map }: StudioState) {
  const filters = [...(map?.rows ?? []), ...(map?.cells ?? [])].flatMap((own) => own.filters);
  return { models: checkpoints.map(({ name }) => name), filters: [...new Set(filters)] };
}

/** Bindings whose keys no command of the page has. */
function besides(commands: readonly Command[], bindings: readonly KeyBinding[]): KeyBinding[] {
  const sorted = (keys: string[]) =>
    keys
      .map((key) => key.toLowerCase())
      .sort()
      .join(' ');
  const taken = new Set(
    commands.flatMap(({ shortcut }) =>
      shortcut === null || shortcut === 'Escape' ? [] : [sorted(shortcut.split('+'))],
    ),
  );
  return bindings.filter(({ key }) => key === undefined || !taken.has(sorted(key.split('-'))));
}

/** The browser's own undo (a menu, a gesture) would change the editor's elements and know nothing of the rest. */
function historyEvents(undo: () => void, redo: () => void): Extension {
  return EditorView.domEventHandlers({
    beforeinput(event) {
      if (event.inputType !== 'historyUndo' && event.inputType !== 'historyRedo') return false;
      event.preventDefault();
      (event.inputType === 'historyUndo' ? undo : redo)();
      return true;
    },
  });
}

function foldMarker(isOpen: boolean): HTMLElement {
  const marker = document.createElement('span');
  marker.textContent = isOpen ? '⌄' : '›';
  marker.title = isOpen ? 'Fold' : 'Unfold';
  return marker;
}
