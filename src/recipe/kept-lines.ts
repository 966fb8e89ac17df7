/**
 * Kept lines: printing a YAML tree normalises spaces, so an edit would touch lines that nobody changed. This puts
 * the person's own spelling of such lines back. It works on lines, not on meaning: the caller must check that the
 * result still says the same.
 */

/** Above this many cells of the comparison the printed text is taken as it is. */
const MAX_CELLS = 4_000_000;

/** What must agree for two lines to be the same one: the indentation and everything but the other spaces. */
function core(line: string): string {
  const indent = line.length - line.trimStart().length;
  return `${indent}:${line.replace(/\s+/g, '')}`;
}

/** A line that opens a map or list and ends with a comment; the parts before and from the comment. */
const COMMENTED_OPENER = /^([^\S\n]*(?:-[^\S\n]+)*[^\s#-][^#\n]*:)[^\S\n]+(#.*)$/;

/** `printed` with the comments at the end of such lines there again: the printer may put them on lines of their own. */
export function rejoinComments(original: string, printed: string): string {
  const openers = original.split('\n').flatMap((line) => {
    const match = COMMENTED_OPENER.exec(line);
    return match ? [{ line, opener: core(match[1] ?? ''), comment: match[2] ?? '' }] : [];
  });
  if (openers.length === 0) return printed;
  const lines = printed.split('\n');
  let at = 0;
  for (const { line, opener, comment } of openers) {
    const found = lines.findIndex((own, i) => i >= at && core(own) === opener && lines[i + 1]?.trim() === comment);
    if (found < 0) continue;
    lines.splice(found, 2, line);
    at = found + 1;
  }
  return lines.join('\n');
}

/** `printed` with every line that also stands in `original`, in the same order, spelled as it is there. */
export function keepLines(original: string, printed: string): string {
  const before = original.split('\n');
  const after = printed.split('\n');
  const a = before.map(core);
  const b = after.map(core);
  const out = [...after];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) {
    out[start] = before[start] ?? '';
    start++;
  }
  let tail = 0;
  while (tail < a.length - start && tail < b.length - start && a[a.length - 1 - tail] === b[b.length - 1 - tail]) {
    out[b.length - 1 - tail] = before[a.length - 1 - tail] ?? '';
    tail++;
  }
  const rows = a.length - start - tail;
  const columns = b.length - start - tail;
  if (rows === 0 || columns === 0 || rows * columns > MAX_CELLS) return out.join('\n');
  // Longest common subsequence, from the end, so that it can be read off from the start.
  const width = columns + 1;
  const longest = new Uint32Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      longest[i * width + j] =
        a[start + i] === b[start + j]
          ? (longest[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(longest[(i + 1) * width + j] ?? 0, longest[i * width + j + 1] ?? 0);
    }
  }
  for (let i = 0, j = 0; i < rows && j < columns; ) {
    if (a[start + i] === b[start + j]) {
      out[start + j] = before[start + i] ?? '';
      i++;
      j++;
    } else if ((longest[(i + 1) * width + j] ?? 0) >= (longest[i * width + j + 1] ?? 0)) {
      i++;
    } else {
      j++;
    }
  }
  return out.join('\n');
}
