/**
 * Comment places: the YAML parser hangs every comment after a list or map on the innermost one that ends there, however
 * the comment is indented, so that it would go when that one goes. This hangs each where its indentation says: above the
 * next entry, or at the end of the list or map that it stands in. It changes no value.
 */

import { type Document, isMap, isNode, isPair, isSeq, type Node, type YAMLMap, type YAMLSeq } from 'yaml';

/** A list or map that is written on lines of its own. */
type Block = YAMLMap | YAMLSeq;

/** A block with those around it, outermost first. */
interface Placed {
  readonly block: Block;
  readonly chain: readonly Block[];
}

/** One entry of a block: its position in the text, and what a comment above it hangs on. */
interface Entry {
  readonly start: number;
  readonly owner: Block;
  readonly head: Node;
}

/** Moves the comments of a document, just parsed from `text`, to where they belong. */
export function placeComments(document: Document, text: string): void {
  const blocks: Placed[] = [];
  const entries: Entry[] = [];
  collect(document.contents, [], blocks, entries);
  const columnOf = ({ range }: Block) => (range ? range[0] - (text.lastIndexOf('\n', range[0] - 1) + 1) : 0);
  for (const { block, chain } of blocks) {
    const { range, comment } = block;
    if (!comment || !range) continue;
    const lines = wholeLines(text, range[1], range[2]);
    const next = entries.find(({ start }) => start >= range[2]) ?? null;
    block.comment = null;
    let depth = chain.length - 1;
    let isAboveNext = false;
    let blanks = '';
    for (const line of lines) {
      const column = line.search(/\S/);
      if (column < 0 || line[column] !== '#') {
        if (column < 0) blanks = '\n';
        continue;
      }
      while (depth > 0 && columnOf(chain[depth] ?? block) > column) depth--;
      const owner = chain[depth] ?? block;
      isAboveNext ||= next !== null && (column <= columnOf(next.owner) || owner === next.owner);
      const said = line.slice(column + 1);
      if (isAboveNext && next !== null) {
        const above = next.head.commentBefore;
        if (blanks !== '' && !above) next.head.spaceBefore = true;
        next.head.commentBefore = joined(above, above ? blanks : '', said);
      } else owner.comment = joined(owner.comment, blanks, said);
      blanks = '';
    }
    if (blanks === '' || next === null) continue;
    if (isAboveNext) next.head.commentBefore += blanks;
    else next.head.spaceBefore = true;
  }
  const [root] = blocks;
  if (!document.comment || !root?.block.range) return;
  // The printer would put an empty line above a comment of the document's own.
  const [first] = wholeLines(text, root.block.range[2], text.length);
  root.block.comment = joined(root.block.comment, first?.trim() === '' ? '\n' : '', document.comment);
  document.comment = null;
}

/** The lines between two positions, without what else stands on the lines of these. */
function wholeLines(text: string, from: number, to: number): string[] {
  const start = from === 0 || text[from - 1] === '\n' ? from : text.indexOf('\n', from) + 1;
  const end = text.lastIndexOf('\n', to - 1);
  return start === 0 || end < start ? [] : text.slice(start, end).split(/\r?\n/);
}

function joined(before: string | null | undefined, blanks: string, said: string): string {
  return before ? `${before}\n${blanks}${said}` : `${blanks}${said}`;
}

function collect(node: unknown, above: readonly Block[], blocks: Placed[], entries: Entry[]): void {
  if (!(isMap(node) || isSeq(node)) || node.flow) return;
  const block = node as Block;
  const chain = [...above, block];
  blocks.push({ block, chain });
  for (const item of block.items as readonly unknown[]) {
    const [head, value] = isPair(item) ? [item.key, item.value] : [item, item];
    if (isNode(head) && head.range) entries.push({ start: head.range[0], owner: block, head });
    collect(value, chain, blocks, entries);
  }
}
