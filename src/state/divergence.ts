/** Divergence: where two replies to one prompt first part, and how likely each found its own token and the other's. */

import type { SaidToken } from './engine-api.ts';

/** Where two replies part. */
export interface Divergence {
  /** Index of the first token that differs; where one reply is the beginning of the other, its length. */
  readonly index: number;
  /** The token of each there; null where that reply has ended. */
  readonly a: SaidToken | null;
  readonly b: SaidToken | null;
  /** The probability that A gave B's token, where it is among A's alternatives; else null. And the other way round. */
  readonly aOfB: number | null;
  readonly bOfA: number | null;
}

/** Where two replies first differ; null where they are the same. */
export function firstDivergence(a: readonly SaidToken[], b: readonly SaidToken[]): Divergence | null {
  const length = Math.max(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const own = a[index] ?? null;
    const other = b[index] ?? null;
    if (own && other && isSame(own, other)) continue;
    return { index, a: own, b: other, aOfB: probabilityOf(own, other), bOfA: probabilityOf(other, own) };
  }
  return null;
}

/** Numbers mean the same only under one tokenizer, so text decides; a token without text of its own (part of a letter) has only its number. */
function isSame(a: Pick<SaidToken, 'token' | 'text'>, b: Pick<SaidToken, 'token' | 'text'>): boolean {
  return a.text === b.text && (a.text !== '' || a.token === b.token);
}

function probabilityOf(of: SaidToken | null, token: SaidToken | null): number | null {
  if (!of || !token) return null;
  return of.alternatives.find((choice) => isSame(choice, token))?.probability ?? null;
}
