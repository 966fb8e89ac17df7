/**
 * JSON keys: finds an object key that stands twice. JSON.parse keeps the last one in silence, so two readers could
 * see two different models in one file. Not a parser: the text must already have been parsed without error.
 */

/** The first key that an object in `text` holds twice, looking at most `maxDepth` objects deep; null where none. */
export function duplicateKey(text: string, maxDepth: number): string | null {
  // One entry per open object or array; arrays, and objects that lie too deep, hold null.
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x7b: // {
        open.push(open.length < maxDepth ? new Set() : null);
        break;
      case 0x5b: // [
        open.push(null);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        break;
      case 0x22: {
        const start = i;
        for (i++; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
        const keys = open.at(-1);
        if (!keys || !isKey(text, i + 1)) break;
        const literal = text.slice(start, i + 1);
        // Escapes make two spellings of one key.
        const key = literal.includes('\\') ? String(JSON.parse(literal)) : literal.slice(1, -1);
        if (keys.has(key)) return key;
        keys.add(key);
        break;
      }
    }
  }
  return null;
}

/** True where a colon follows, after white space. */
function isKey(text: string, position: number): boolean {
  let i = position;
  while (' \t\n\r'.includes(text.charAt(i)) && i < text.length) i++;
  return text.charCodeAt(i) === 0x3a;
}
