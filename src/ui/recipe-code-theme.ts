/**
 * Recipe code theme: how the recipe editor looks: its box, gutters, tooltips and search field, and the colours of YAML.
 * All colours are variables of the page (`recipe-editor.module.css`), so that both schemes follow by themselves.
 */

import { HighlightStyle, syntaxHighlighting, syntaxTree } from '@codemirror/language';
import { type Extension, RangeSetBuilder } from '@codemirror/state';
import { Decoration, type DecorationSet, EditorView, ViewPlugin, type ViewUpdate } from '@codemirror/view';
import { tags } from '@lezer/highlight';

const box = EditorView.theme({
  '&': {
    border: '1px solid var(--mantine-color-default-border)',
    borderRadius: 'var(--mantine-radius-default)',
    background: 'var(--mantine-color-default)',
    color: 'var(--mantine-color-text)',
    fontSize: '0.75rem',
  },
  '&.cm-focused': { outline: '2px solid var(--focus)', outlineOffset: '1px' },
  '&:has(.cm-content[aria-invalid="true"])': { borderColor: 'var(--bad)' },
  '.cm-scroller': {
    minHeight: 'var(--code-min)',
    maxHeight: 'var(--code-max)',
    overflow: 'auto',
    fontFamily: 'var(--mantine-font-family-monospace)',
    lineHeight: 'var(--code-line)',
    scrollbarWidth: 'thin',
  },
  '.cm-content': { padding: 'var(--code-pad) 0', caretColor: 'var(--mantine-color-text)' },
  '.cm-line': { padding: '0 0.5rem 0 0.25rem' },
  '.cm-gutters': {
    border: 'none',
    background: 'transparent',
    color: 'var(--mantine-color-dimmed)',
    fontVariantNumeric: 'tabular-nums',
  },
  '.cm-lineNumbers .cm-gutterElement': { minWidth: '1.5rem', padding: '0 0.15rem 0 0' },
  '.cm-foldGutter .cm-gutterElement': { width: '0.75rem', textAlign: 'center', cursor: 'pointer' },
  '.cm-gutter-lint': { width: '0.85rem' },
  '.cm-gutter-lint .cm-gutterElement': { padding: '0.2rem 0 0 0.1rem' },
  '.cm-lint-marker': { width: '0.7rem', height: '0.7rem' },
  '.cm-lint-marker-error': { content: 'none', background: 'var(--bad)', borderRadius: '50%' },
  '.cm-lint-marker-warning': {
    content: 'none',
    background: 'var(--hand)',
    clipPath: 'polygon(50% 0, 100% 100%, 0 100%)',
  },
  '.cm-lintRange': { background: 'none', paddingBottom: '0' },
  '.cm-lintRange-error': { textDecoration: 'underline wavy var(--bad)', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning': { textDecoration: 'underline dashed var(--hand)', textUnderlineOffset: '3px' },
  '.cm-lintPoint:after': { borderBottomColor: 'var(--bad)' },
  '.cm-foldPlaceholder': {
    border: '1px solid var(--line-strong)',
    background: 'var(--surface-hover)',
    color: 'var(--mantine-color-text)',
    padding: '0 0.3rem',
  },
  '.cm-flashed': { boxShadow: 'inset 2px 0 var(--accent)' },
  '.cm-tooltip': {
    maxWidth: 'min(24rem, 90vw)',
    border: '1px solid var(--line-strong)',
    borderRadius: '5px',
    background: 'var(--surface)',
    color: 'var(--mantine-color-text)',
    fontFamily: 'var(--mantine-font-family)',
    fontSize: '0.75rem',
    lineHeight: '1.4',
    boxShadow: 'var(--mantine-shadow-md)',
    overflow: 'hidden',
  },
  '.cm-tooltip.cm-tooltip-autocomplete': { maxWidth: 'none', overflow: 'visible' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': {
    maxWidth: 'min(30rem, 92vw)',
    maxHeight: '15rem',
    fontFamily: 'var(--mantine-font-family-monospace)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '0.15rem 0.5rem', lineHeight: '1.5' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    background: 'var(--accent)',
    color: 'var(--code-chosen)',
  },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700' },
  '.cm-completionDetail': {
    marginLeft: '0.75rem',
    fontFamily: 'var(--mantine-font-family)',
    fontStyle: 'normal',
    color: 'var(--mantine-color-dimmed)',
  },
  'li[aria-selected] .cm-completionDetail': { color: 'inherit' },
  '.cm-tooltip.cm-completionInfo': { width: '17rem', maxWidth: '90vw', padding: '0.4rem 0.6rem' },
  '.cm-explanation': { padding: '0.4rem 0.6rem' },
  '.cm-explanation strong': { display: 'block' },
  '.cm-diagnostic': { borderLeft: 'none', padding: '0.4rem 0.6rem' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--bad)' },
  '.cm-diagnostic-warning': { borderLeft: '3px solid var(--hand)' },
  '.cm-diagnosticAction': {
    border: '1px solid var(--line-strong)',
    borderRadius: '4px',
    background: 'var(--surface-hover)',
    color: 'var(--mantine-color-text)',
    font: 'inherit',
    cursor: 'pointer',
  },
  '.cm-panels': { background: 'var(--surface-hover)', color: 'var(--mantine-color-text)' },
  '.cm-panels.cm-panels-top': { borderBottom: '1px solid var(--line)' },
  '.cm-panel.cm-search': { padding: '0.35rem 1.75rem 0.35rem 0.5rem', fontFamily: 'var(--mantine-font-family)' },
  '.cm-panel.cm-search label': { fontSize: '0.75rem' },
  '.cm-panel.cm-search [name=close]': { color: 'inherit', fontSize: '1rem', cursor: 'pointer' },
  '.cm-textfield': {
    border: '1px solid var(--line-strong)',
    borderRadius: '4px',
    background: 'var(--surface)',
    color: 'inherit',
    fontSize: '0.75rem',
  },
  '.cm-button': {
    border: '1px solid var(--line-strong)',
    borderRadius: '4px',
    background: 'var(--surface)',
    color: 'inherit',
    fontSize: '0.75rem',
    cursor: 'pointer',
  },
  '.cm-searchMatch': { background: 'var(--code-found)' },
  '.cm-searchMatch.cm-searchMatch-selected': { background: 'var(--code-found)', outline: '2px solid var(--focus)' },
});

/** Keys stand out by weight, comments by slant and numbers by hue, so that no two are told apart by hue alone. */
const yaml = HighlightStyle.define([
  { tag: tags.definition(tags.propertyName), color: 'var(--code-key)', fontWeight: '600' },
  { tag: tags.comment, color: 'var(--code-comment)', fontStyle: 'italic' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--code-text)' },
  { tag: [tags.separator, tags.punctuation, tags.squareBracket, tags.brace], color: 'var(--code-comment)' },
  { tag: [tags.labelName, tags.typeName, tags.keyword, tags.meta], color: 'var(--code-number)' },
]);

const NUMBER = Decoration.mark({ class: 'cm-recipeNumber' });
const IS_NUMBER = /^(?:[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|true|false|null|~)$/;

/** The YAML grammar knows no numbers; to it they are words. */
function numbersIn(view: EditorView): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  for (const { from, to } of view.visibleRanges) {
    syntaxTree(view.state).iterate({
      from,
      to,
      enter(node) {
        if (node.name !== 'Literal' || node.node.parent?.name === 'Key' || node.to - node.from > 32) return;
        if (IS_NUMBER.test(view.state.sliceDoc(node.from, node.to))) builder.add(node.from, node.to, NUMBER);
      },
    });
  }
  return builder.finish();
}

const numbers = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;

    constructor(view: EditorView) {
      this.decorations = numbersIn(view);
    }

    update(update: ViewUpdate) {
      const isReread = syntaxTree(update.startState) !== syntaxTree(update.state);
      if (update.docChanged || update.viewportChanged || isReread) this.decorations = numbersIn(update.view);
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

/** The look of the recipe editor. */
export const recipeCodeTheme: Extension = [
  box,
  syntaxHighlighting(yaml),
  numbers,
  EditorView.theme({ '.cm-recipeNumber': { color: 'var(--code-number)' } }),
];
