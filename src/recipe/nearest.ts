/** Nearest: which known word someone most likely meant. Not a spell checker: it says nothing rather than guess wildly. */

const MAX_LENGTH = 64;
const MIN_SHARED_PREFIX = 4;

function plain(word: string): string {
  return word
    .trim()
    .toLowerCase()
    .replace(/[-\s]+/g, '_');
}

/** Edit distance where swapping two neighbours counts as one edit (optimal string alignment). */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The one of `words` that is closest to `word`, or null where none is close. Ties go to the earlier one. */
export function nearest(word: string, words: Iterable<string>): string | null {
  if (word.length > MAX_LENGTH) return null;
  const wanted = plain(word);
  if (wanted === '') return null;
  const limit = Math.min(3, Math.max(1, Math.floor(wanted.length / 3)));
  let best: string | null = null;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const candidate of words) {
    const known = plain(candidate);
    let cost = distance(wanted, known);
    if (cost > limit) {
      // `method` for `merge_method`, `params` for `parameters`: further away than a typo, and still plain enough.
      const isPart = wanted.length >= MIN_SHARED_PREFIX && (known.includes(wanted) || wanted.includes(known));
      const sharesStart = known.startsWith(wanted.slice(0, MIN_SHARED_PREFIX)) && wanted.length >= MIN_SHARED_PREFIX;
      if (!isPart && !sharesStart) continue;
      cost += MAX_LENGTH;
    }
    // Of two at the same distance, the one of the same length has the letters in another order: the likelier slip.
    if (known.length !== wanted.length) cost += 0.5;
    if (cost < bestCost) {
      bestCost = cost;
      best = candidate;
    }
  }
  return best;
}
