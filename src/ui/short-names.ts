/** Names of siblings without the beginning that they all share: `parrot-shout`, `parrot-spell` become `shout`, `spell`. */
export function shortNames(names: readonly string[]): readonly string[] {
  const [first] = names;
  if (first === undefined || names.length < 2) return names;
  let shared = 0;
  while (shared < first.length && names.every((name) => name[shared] === first[shared])) shared++;
  // Cut only after a separator, and never a whole name away.
  const head = /^.*[-_./ ]/.exec(first.slice(0, shared))?.[0] ?? '';
  return names.some((name) => name.length === head.length) ? names : names.map((name) => name.slice(head.length));
}
