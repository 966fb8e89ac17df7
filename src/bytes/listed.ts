/** Listed: the first of some names, for a sentence that stays short. Not all of them: those go into a fault's details. */

/** "a, b and 5 more". */
export function listed(names: readonly string[], most = 3): string {
  if (names.length <= most) return names.join(', ');
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}
