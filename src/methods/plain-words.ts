/** PlainWords: what a declaration says, without the marks that make it Markdown in METHODS.md; for places that show text as it is. */

/** The same words without the marks around code. */
export function plainWords(text: string): string {
  return text.replaceAll('`', '');
}
