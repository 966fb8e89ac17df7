/**
 * Unroll: writes loops over the models out, one block per model with a constant index (or over what else a constant counts). A software adapter reaches into
 * arrays and uniforms lane by lane where an index is a variable; a constant costs nothing. Text in, text out: what is
 * computed, and in which order, stays as it was.
 */

/** A loop over all models, or whatever a constant counts, as shaders write it. */
const loopOver = (constant: string) => new RegExp(`for \\(var (\\w+) = 0u; \\1 < ${constant}; \\1\\+\\+\\) \\{`);

const COMMENTS = /\/\/.*$/gm;

/** Most copies of one body, the loops around it counted: what compilers inline grows with the square and worse. */
const MOST_COPIES = 4;

/**
 * WGSL whose loops over `models` models are written out. They hold no `break` and no `continue`.
 * @param constant what counts them in the text, where they are no models.
 * @param mostCopies more copies of one body than these are left a loop.
 */
export function unrolled(text: string, models: number, constant = 'MODELS', mostCopies = MOST_COPIES): string {
  const loop = loopOver(constant);
  /** @param copies how often the text itself is there. */
  const writtenOut = (part: string, copies: number): string => {
    const found = loop.exec(part);
    if (!found || copies * models > mostCopies) return part;
    const [head, name] = found;
    const start = found.index + head.length;
    const end = closingBrace(part, start);
    const body = writtenOut(part.slice(start, end), copies * models);
    const blocks = Array.from({ length: models }, (_, k) => `{\n    const ${name} = ${k}u;${body}}`);
    return part.slice(0, found.index) + blocks.join(' ') + writtenOut(part.slice(end + 1), copies);
  };
  return writtenOut(text.replace(COMMENTS, ''), 1);
}

/** Where the block that is open at `start` ends. */
function closingBrace(text: string, start: number): number {
  let depth = 1;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') depth += 1;
    else if (text[at] === '}') depth -= 1;
    if (depth === 0) return at;
  }
  throw new Error('a loop to write out is not closed');
}
