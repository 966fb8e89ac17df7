/** A token's text where blanks have to be seen. */
export function visibleToken(text: string): string {
  if (text === '') return '(part of a letter)';
  return text.replaceAll(' ', '␣').replaceAll('\n', '↵').replaceAll('\t', '⇥');
}
