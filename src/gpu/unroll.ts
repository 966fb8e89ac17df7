/**
 * Unroll: writes loops over the models out, one block per model with a constant index. A software adapter reaches into
 * arrays and uniforms lane by lane where an index is a variable; a constant costs nothing. Text in, text out: what is
 * computed, and in which order, stays as it was.
 */

/** A loop over all models, as shaders write it. */
const LOOP = /for \(var (\w+) = 0u; \1 < MODELS; \1\+\+\) \{/;

const COMMENTS = /\/\/.*$/gm;

/** Most copies of one body, the loops around it counted: what compilers inline grows with the square and worse. */
const MOST_COPIES = 4;

/** WGSL whose loops over `models` models are written out. They hold no `break` and no `continue`. */
export function unrolled(text: string, models: number): string {
  return writtenOut(text.replace(COMMENTS, ''), models, 1);
}

/** @param copies how often the text itself is there. */
function writtenOut(text: string, models: number, copies: number): string {
  const found = LOOP.exec(text);
  if (!found || copies * models > MOST_COPIES) return text;
  const [head, name] = found;
  const start = found.index + head.length;
  const end = closingBrace(text, start);
  const body = writtenOut(text.slice(start, end), models, copies * models);
  const blocks = Array.from({ length: models }, (_, k) => `{\n    const ${name} = ${k}u;${body}}`);
  return text.slice(0, found.index) + blocks.join(' ') + writtenOut(text.slice(end + 1), models, copies);
}

/** Where the block that is open at `start` ends. */
function closingBrace(text: string, start: number): number {
  let depth = 1;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') depth += 1;
    else if (text[at] === '}') depth -= 1;
    if (depth === 0) return at;
  }
  throw new Error('a loop over the models is not closed');
}
