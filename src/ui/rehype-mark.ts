/** RehypeMark: marks a part of a Markdown source in the tree that was made from it, for `reply-markdown.tsx`. */

import type { Span } from './token-marks.ts';

/** What is looked at of a node of the tree. */
interface Node {
  readonly type: string;
  readonly value?: string;
  readonly position?: { readonly start: { readonly offset?: number }; readonly end: { readonly offset?: number } };
  children?: Node[];
}

/** A plugin that puts `<mark>` around the part of `source` where the tree shows it; nothing where it does not. */
export function rehypeMark(span: Span, source: string) {
  const wanted = source.slice(span.start, span.end);
  return () => (tree: unknown) => {
    markWithin(tree as Node, span, wanted);
  };
}

function markWithin(parent: Node, span: Span, wanted: string): void {
  const { children } = parent;
  if (!children) return;
  parent.children = children.flatMap((node) => {
    if (node.type !== 'text' || node.value === undefined) {
      markWithin(node, span, wanted);
      return [node];
    }
    const found = placeIn(node, span, wanted);
    if (!found) return [node];
    const text = (value: string): Node[] => (value === '' ? [] : [{ type: 'text', value }]);
    const mark = {
      type: 'element',
      tagName: 'mark',
      properties: {},
      children: text(node.value.slice(found.start, found.end)),
    };
    return [...text(node.value.slice(0, found.start)), mark, ...text(node.value.slice(found.end))];
  });
}

/** The part of a text node that shows the span. */
function placeIn({ value = '', position }: Node, span: Span, wanted: string): Span | null {
  const start = position?.start.offset;
  const end = position?.end.offset;
  if (start === undefined || end === undefined || end <= span.start || start >= span.end) return null;
  if (value.length === end - start) {
    return { start: Math.max(0, span.start - start), end: Math.min(value.length, span.end - start) };
  }
  // Entities and escapes make the text shorter than its source: it is looked for near where it should be.
  const piece = wanted.trim();
  const at = piece === '' ? -1 : value.lastIndexOf(piece, span.start - start);
  return at < 0 ? null : { start: at, end: at + piece.length };
}
