/**
 * Recipe code marks: what is wrong with the recipe, shown at its place, and the lines that something other than the
 * editor has just changed. What is wrong is the recipe's own reading (`recipe/yaml.ts`).
 */

import { type Diagnostic, setDiagnostics } from '@codemirror/lint';
import {
  Annotation,
  type EditorState,
  type Extension,
  StateEffect,
  StateField,
  type Text,
  type TransactionSpec,
} from '@codemirror/state';
import { Decoration, type DecorationSet, EditorView } from '@codemirror/view';
import type { Problem } from '../recipe/yaml.ts';

/** On changes that come from outside the editor: the mixer, undo, an opened file. */
export const fromOutside = Annotation.define<boolean>();

/** Takes the flash away. */
export const endFlash = StateEffect.define<null>();

/** Above this many changed lines, such as a whole new recipe, a flash says nothing. */
const MAX_FLASHED_LINES = 24;

const FLASHED = Decoration.line({ class: 'cm-flashed' });

const flash = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(shown, transaction) {
    if (transaction.effects.some((effect) => effect.is(endFlash))) return Decoration.none;
    if (!transaction.docChanged) return shown;
    if (transaction.annotation(fromOutside) !== true) return shown.map(transaction.changes);
    if (transaction.startState.doc.length === 0) return Decoration.none;
    const doc = transaction.newDoc;
    const starts = new Set<number>();
    transaction.changes.iterChangedRanges((_from, _to, from, to) => {
      for (let at = doc.lineAt(from); ; at = doc.line(at.number + 1)) {
        starts.add(at.from);
        if (at.to >= to || at.number === doc.lines) break;
      }
    });
    if (starts.size > MAX_FLASHED_LINES) return Decoration.none;
    return Decoration.set([...starts].sort((a, b) => a - b).map((start) => FLASHED.range(start)));
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** The flash of lines that were changed from outside. */
export const recipeCodeFlash: Extension = flash;

/** The word at a problem's position: what is underlined, and what its suggestion replaces. */
function wordAt(doc: Text, { line, column }: Problem): { from: number; to: number } {
  const own = doc.line(Math.min(Math.max(line, 1), doc.lines));
  const from = Math.min(own.from + column - 1, own.to);
  const rest = own.text.slice(from - own.from);
  const word = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s,\]}#:]+(?:[ :]+(?![ #])[^\s,\]}#:]+)*)/.exec(rest)?.[0] ?? '';
  const keyEnd = /^[^\s"'[{][^:#]*?(?=:(?:\s|$))/.exec(rest)?.[0];
  return { from, to: from + (keyEnd ?? word).length };
}

/** Something found about a filter before merging, which has no position of its own. */
export interface FilterWarning {
  readonly filter: string;
  readonly message: string;
}

/** Every place where a filter is written. */
function filtersIn(doc: Text, { filter, message }: FilterWarning): Diagnostic[] {
  const escaped = filter.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const written = new RegExp(`(filter:[^\\S\\n]+)(["']?${escaped}["']?)(?=\\s|[,}]|$)`, 'g');
  return [...doc.toString().matchAll(written)].map(({ index, 1: key = '', 2: word = '' }) => {
    const from = index + key.length;
    return { from, to: from + word.length, severity: 'warning', message };
  });
}

/** The transaction that shows these problems and warnings and no others. */
export function markProblems(
  state: EditorState,
  problems: readonly Problem[],
  warnings: readonly FilterWarning[],
): TransactionSpec {
  const places = warnings.flatMap((warning) => filtersIn(state.doc, warning));
  return setDiagnostics(state, [
    ...places,
    ...problems.map((problem): Diagnostic => {
      const { message, suggestion } = problem;
      return {
        ...wordAt(state.doc, problem),
        severity: 'error',
        message,
        ...(suggestion === null
          ? {}
          : {
              actions: [
                {
                  name: `Write ${suggestion}`,
                  apply: (view, from, to) =>
                    view.dispatch({ changes: { from, to, insert: suggestion }, userEvent: 'input' }),
                },
              ],
            }),
      };
    }),
  ]);
}
