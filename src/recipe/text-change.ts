/**
 * Text change: the small changes that make one text of another, line by line, so that an editor keeps its cursor and its
 * folds where nothing changed. Not a shortest edit script: past a size, the changed middle is one change.
 */

/** Replaces [from, to) of the old text by `insert`. */
export interface TextChange {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

/** Above this many cells of the comparison the changed middle is one change. */
const MAX_CELLS = 1_000_000;

/** Each line with its line break. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** The changes from `before` to `after`, in the order of the text, not touching one another; none where they are equal. */
export function textChanges(before: string, after: string): TextChange[] {
  if (before === after) return [];
  const a = linesOf(before);
  const b = linesOf(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let tail = 0;
  while (tail < a.length - start && tail < b.length - start && a[a.length - 1 - tail] === b[b.length - 1 - tail])
    tail++;
  const old = a.slice(start, a.length - tail);
  const fresh = b.slice(start, b.length - tail);
  let at = a.slice(0, start).reduce((sum, line) => sum + line.length, 0);
  const changes: TextChange[] = [];
  let removed = '';
  let added = '';
  const flush = () => {
    if (removed !== '' || added !== '')
      changes.push(narrowed({ from: at, to: at + removed.length, insert: added }, before));
    at += removed.length;
    removed = '';
    added = '';
  };
  for (const [kind, line] of script(old, fresh)) {
    if (kind === 'keep') {
      flush();
      at += line.length;
    } else if (kind === 'remove') removed += line;
    else added += line;
  }
  flush();
  return changes;
}

/** Without what both sides begin and end with. */
function narrowed({ from, to, insert }: TextChange, before: string): TextChange {
  const old = before.slice(from, to);
  const most = Math.min(old.length, insert.length);
  let head = 0;
  while (head < most && old[head] === insert[head]) head++;
  let tail = 0;
  while (tail < most - head && old[old.length - 1 - tail] === insert[insert.length - 1 - tail]) tail++;
  return { from: from + head, to: to - tail, insert: insert.slice(head, insert.length - tail) };
}

type Step = readonly ['keep' | 'remove' | 'add', string];

/** Line by line from one list to the other, by their longest common subsequence. */
function* script(old: readonly string[], fresh: readonly string[]): Generator<Step> {
  const width = fresh.length + 1;
  if (old.length === 0 || fresh.length === 0 || old.length * fresh.length > MAX_CELLS) {
    for (const line of old) yield ['remove', line];
    for (const line of fresh) yield ['add', line];
    return;
  }
  const longest = new Uint32Array((old.length + 1) * width);
  const at = (i: number, j: number) => longest[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      longest[i * width + j] = old[i] === fresh[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  let i = 0;
  let j = 0;
  while (i < old.length || j < fresh.length) {
    const [was, is] = [old[i], fresh[j]];
    if (was !== undefined && was === is) {
      yield ['keep', was];
      i++;
      j++;
    } else if (was !== undefined && (is === undefined || at(i + 1, j) >= at(i, j + 1))) {
      yield ['remove', was];
      i++;
    } else if (is !== undefined) {
      yield ['add', is];
      j++;
    }
  }
}
