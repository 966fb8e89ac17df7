/**
 * Names of siblings without the beginning and the end that they all share: `parrot-shout`, `parrot-spell` become
 * `shout`, `spell`, and `llama-math-v2`, `llama-chat-v2` become `math`, `chat`.
 */
export function shortNames(names: readonly string[]): readonly string[] {
  const [first] = names;
  if (first === undefined || names.length < 2) return names;
  const withoutHead = withoutShared(names);
  return withoutShared(withoutHead.map(reversed)).map(reversed);
}

/** Without the beginning that all share. Cut only after a separator, and never a whole name away. */
function withoutShared(names: readonly string[]): readonly string[] {
  const [first = ''] = names;
  let shared = 0;
  while (shared < first.length && names.every((name) => name[shared] === first[shared])) shared++;
  const head = /^.*[-_./ ]/s.exec(first.slice(0, shared))?.[0] ?? '';
  return names.some((name) => name.length === head.length) ? names : names.map((name) => name.slice(head.length));
}

/** By code points, so that nothing is torn apart that belongs together. */
function reversed(name: string): string {
  return [...name].reverse().join('');
}
