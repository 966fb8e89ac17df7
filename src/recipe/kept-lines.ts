/**
 * Kept lines: printing a YAML tree normalises spaces, so an edit would touch lines that nobody changed. This puts
 * the person's own spelling of such lines back. It works on lines, not on meaning: the caller must check that the
 * result still says the same.
 */

/** Above this many cells of the comparison the printed text is taken as it is. */
const MAX_CELLS = 4_000_000;

/** A number by itself: printed without a plus and with a digit before its point. */
const NUMBER = /(?<![\w.+-])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])/g;

const indentOf = (line: string): number => line.length - line.trimStart().length;

/** What must agree for two lines to say the same: everything but spaces and the spelling of numbers. */
const core = (line: string): string => line.replace(NUMBER, (own) => String(Number(own))).replace(/\s+/g, '');

/** A line that opens a map or list and ends with a comment; the parts before and from the comment. */
const COMMENTED_OPENER = /^([^\S\n]*(?:-[^\S\n]+)*[^\s#-][^#\n]*:)[^\S\n]+(#.*)$/;

/** `printed` with the comments at the end of such lines there again: the printer may put them on lines of their own. */
export function rejoinComments(original: string, printed: string): string {
  const openers = original.split('\n').flatMap((line) => {
    const match = COMMENTED_OPENER.exec(line);
    return match ? [{ opener: core(match[1] ?? ''), comment: match[2] ?? '' }] : [];
  });
  if (openers.length === 0) return printed;
  const lines = printed.split('\n');
  let at = 0;
  for (const { opener, comment } of openers) {
    const found = lines.findIndex((own, i) => i >= at && lines[i + 1]?.trim() === comment && core(own) === opener);
    if (found < 0) continue;
    lines.splice(found, 2, `${lines[found]} ${comment}`);
    at = found + 1;
  }
  return lines.join('\n');
}

/**
 * For each line of `after` the line of `before` that it is, or -1, in the same order: the longest such pairing, of equal
 * ones that where more lines keep their indentation. Null where the texts are too long to compare.
 */
function paired(before: readonly string[], after: readonly string[], isStrict: boolean): Int32Array | null {
  const named = (line: string) => (isStrict ? `${indentOf(line)}:${core(line)}` : core(line));
  const a = before.map(named);
  const b = after.map(named);
  const pairs = new Int32Array(b.length).fill(-1);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) {
    pairs[start] = start;
    start++;
  }
  let tail = 0;
  while (tail < a.length - start && tail < b.length - start && a[a.length - 1 - tail] === b[b.length - 1 - tail]) {
    tail++;
    pairs[b.length - tail] = a.length - tail;
  }
  const rows = a.length - start - tail;
  const columns = b.length - start - tail;
  if (rows === 0 || columns === 0) return pairs;
  if (rows * columns > MAX_CELLS) return null;
  const indentsA = before.map(indentOf);
  const indentsB = after.map(indentOf);
  /** What pairing two lines is worth: nothing where they are not the same. */
  const worth = (i: number, j: number) => {
    if (a[start + i] !== b[start + j]) return 0;
    return indentsA[start + i] === indentsB[start + j] ? 3 : 2;
  };
  // From the end, so that it can be read off from the start.
  const width = columns + 1;
  const best = new Uint32Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const own = worth(i, j);
      const skipped = Math.max(best[(i + 1) * width + j] ?? 0, best[i * width + j + 1] ?? 0);
      best[i * width + j] = own === 0 ? skipped : Math.max(skipped, own + (best[(i + 1) * width + j + 1] ?? 0));
    }
  }
  for (let i = 0, j = 0; i < rows && j < columns; ) {
    const own = worth(i, j);
    const here = best[i * width + j] ?? 0;
    if (own > 0 && here === own + (best[(i + 1) * width + j + 1] ?? 0)) {
      pairs[start + j] = start + i;
      i++;
      j++;
    } else if ((best[(i + 1) * width + j] ?? 0) === here) {
      i++;
    } else {
      j++;
    }
  }
  return pairs;
}

/** `printed` with every line that also stands in `original`, in the same order and at the same place, spelled as there. */
export function keepLines(original: string, printed: string): string {
  const before = original.split('\n');
  const after = printed.split('\n');
  const pairs = paired(before, after, true);
  return pairs === null ? printed : after.map((line, j) => before[pairs[j] ?? -1] ?? line).join('\n');
}

/** Where the parts of a line begin: itself, and what stands after each dash. */
function columnsOf(line: string): number[] {
  const columns = [indentOf(line)];
  for (let at = columns[0] ?? 0; ; ) {
    const dash = /^-\s+(?=\S)/.exec(line.slice(at));
    if (!dash) return columns;
    at += dash[0].length;
    columns.push(at);
  }
}

const isStructure = (line: string): boolean => line.trim() !== '' && !line.trimStart().startsWith('#');

/** For each line the one that it stands in, or -1: a key's list may stand at the key's own indentation. */
function parentsOf(lines: readonly string[]): Int32Array {
  const parents = new Int32Array(lines.length).fill(-1);
  const open: { readonly at: number; readonly indent: number; readonly isEntry: boolean }[] = [];
  for (const [at, line] of lines.entries()) {
    if (!isStructure(line)) continue;
    const indent = indentOf(line);
    const isEntry = /^-(?:\s|$)/.test(line.trimStart());
    const isInside = (own: (typeof open)[number]) =>
      own.indent < indent || (own.indent === indent && isEntry && !own.isEntry);
    for (let last = open.at(-1); last !== undefined && !isInside(last); last = open.at(-1)) open.pop();
    parents[at] = open.at(-1)?.at ?? -1;
    open.push({ at, indent, isEntry });
  }
  return parents;
}

/**
 * `keepLines` for a text that is indented in another way than it is printed: its lines keep their indentation, too, and
 * those that are new, or stand in something new, are indented as their neighbours are.
 */
export function keepLayout(original: string, printed: string): string {
  const before = original.split('\n');
  const after = printed.split('\n');
  const pairs = paired(before, after, false);
  if (pairs === null) return printed;
  const own = (j: number) => before[pairs[j] ?? -1];
  const parentsBefore = parentsOf(before);
  const parents = parentsOf(after);
  /** Whether each line stands where it stood: it is there, in the same line, which stands where it stood. */
  const stays: boolean[] = [];
  for (let j = 0; j < after.length; j++) {
    const pair = pairs[j] ?? -1;
    const parent = parents[j] ?? -1;
    const parentBefore = parentsBefore[pair] ?? -1;
    stays.push(pair >= 0 && (parent < 0 ? parentBefore < 0 : pairs[parent] === parentBefore && stays[parent] === true));
  }
  /** The indentation of the next line of the same block that stays. */
  const ahead = (j: number): number | undefined => {
    for (let k = j + 1; k < after.length; k++) {
      if (parents[k] === parents[j] && stays[k] && isStructure(after[k] ?? '')) return indentOf(own(k) ?? '');
    }
    return undefined;
  };
  /** Of each line so far: where its parts begin in the print, and where they do now. */
  const columns: { readonly printed: readonly number[]; readonly now: readonly number[] }[] = [];
  /** Indentation of the last line so far in each line, or in none. */
  const inside = new Map<number, number>();
  /** Indentation in the text of what stands in each of its lines. */
  const insideBefore = new Map<number, number>();
  for (const [i, line] of before.entries()) {
    if (isStructure(line)) insideBefore.set(parentsBefore[i] ?? -1, indentOf(line));
  }
  /** Where a line that does not stay goes: as the lines beside it, else as what stood there, else as it is printed. */
  const placeOf = (j: number, printed: number): number => {
    const parent = parents[j] ?? -1;
    const its = columns[parent];
    const beside = its?.printed.indexOf(printed, 1) ?? -1;
    const near = inside.get(parent) ?? (beside > 0 ? its?.now[beside] : ahead(j));
    const stood = stays[parent] ? insideBefore.get(pairs[parent] ?? -1) : undefined;
    return near ?? stood ?? printed + (its?.now[0] ?? 0) - (its?.printed[0] ?? 0);
  };
  /** Where a comment that is new here goes: to the line that it stands above. */
  const aboveOf = (j: number, line: string): number => {
    const printed = indentOf(line);
    const next = after.findIndex((one, k) => k > j && isStructure(one));
    if (next < 0 || indentOf(after[next] ?? '') !== printed) return printed;
    return stays[next] ? indentOf(own(next) ?? '') : placeOf(next, printed);
  };
  const out: string[] = [];
  for (const [j, line] of after.entries()) {
    const text = own(j) ?? line;
    const isPart = isStructure(line);
    // Comments that are there stay where they are, whatever they stand in.
    const stands = isPart ? stays[j] === true : own(j) !== undefined || line === '';
    const spelled = stands
      ? text
      : ' '.repeat(isPart ? placeOf(j, indentOf(line)) : aboveOf(j, line)) + text.trimStart();
    out.push(spelled);
    columns.push(isPart ? { printed: columnsOf(line), now: columnsOf(spelled) } : { printed: [], now: [] });
    if (isPart) inside.set(parents[j] ?? -1, indentOf(spelled));
  }
  return out.join('\n');
}
