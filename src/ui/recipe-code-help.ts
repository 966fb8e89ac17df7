/** Recipe code help: completion and help under the pointer, as the recipe's own declarations say it. */

import { autocompletion, type Completion, type CompletionContext, startCompletion } from '@codemirror/autocomplete';
import type { Extension } from '@codemirror/state';
import { EditorView, hoverTooltip } from '@codemirror/view';
import { explainAt } from '../recipe/explain.ts';
import { type Suggestion, type Surrounding, suggestAt } from '../recipe/suggest.ts';

/** Completion and hover help; `surrounding` says what is open now. */
export function recipeCodeHelp(surrounding: () => Surrounding): Extension {
  return [
    autocompletion({ override: [(context) => complete(context, surrounding())], icons: false }),
    hoverTooltip((view, position) => {
      const found = explainAt(view.state.doc.toString(), position);
      if (!found) return null;
      return {
        pos: found.from,
        end: found.to,
        above: true,
        create: () => ({ dom: explanation(found.title, found.text) }),
      };
    }),
  ];
}

function explanation(title: string, text: string): HTMLElement {
  const dom = document.createElement('div');
  dom.className = 'cm-explanation';
  const head = document.createElement('strong');
  head.textContent = title;
  dom.append(head, text);
  return dom;
}

function complete(context: CompletionContext, surrounding: Surrounding) {
  const { state, pos, explicit } = context;
  const found = suggestAt(state.doc.toString(), pos, surrounding);
  if (!found) return null;
  const written = state.sliceDoc(found.from, found.to);
  if (!explicit) {
    // On an empty place only values come unasked, right after their key.
    const line = state.doc.lineAt(pos);
    const before = state.sliceDoc(line.from, found.from);
    if (written === '' && !/[:,[]\s+$/.test(before)) return null;
    // What is written out in full needs no list, which would take Enter.
    if (found.options.some(({ text, label }) => text.trim() === written || label === written)) return null;
  }
  return { from: found.from, to: found.to, options: found.options.map((option, place) => completion(option, place)) };
}

function completion({ label, detail, help, text, kind }: Suggestion, place: number): Completion {
  return {
    label,
    // As they are declared, where they fit what is written equally well.
    sortText: String(place).padStart(4, '0'),
    ...(detail === '' ? {} : { detail }),
    ...(help === '' ? {} : { info: help }),
    apply(view, _, from, to) {
      view.dispatch({
        changes: { from, to, insert: text },
        selection: { anchor: from + text.length },
        userEvent: 'input.complete',
        effects: EditorView.scrollIntoView(from + text.length),
      });
      // A key is half of it: what it takes comes next.
      if ((kind === 'key' || kind === 'parameter') && text.endsWith(' ')) startCompletion(view);
    },
  };
}
