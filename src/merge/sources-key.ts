/** SourcesKey: tells sets of sources apart, so that what was found of one is not taken for another's. */

import { Checksum } from './checksum.ts';
import type { Lineup } from './lineup.ts';

/** Numbers things, so that one that was closed and opened again under its name is not taken for itself. */
const identities = new WeakMap<object, number>();
let lastIdentity = 0;

/** A thing's number, the same as long as the page lives. */
export function identityOf(thing: object): number {
  const known = identities.get(thing);
  if (known !== undefined) return known;
  lastIdentity += 1;
  identities.set(thing, lastIdentity);
  return lastIdentity;
}

const sourceKeys = new WeakMap<Lineup, string>();

/**
 * The same key means the same bytes in the same order: the checkpoints, and where every tensor lies in them. With slices
 * or rebuilt rows two recipes over the same checkpoints have different bytes under one tensor's name.
 */
export function sourcesKey(lineup: Lineup): string {
  const known = sourceKeys.get(lineup);
  if (known !== undefined) return known;
  const hash = new Checksum();
  for (const { name, sources } of lineup.tensors) {
    hash.text(name);
    for (const { file, start, end } of sources) hash.number(identityOf(file)).number(start).number(end);
  }
  const base = lineup.base ? identityOf(lineup.base) : 0;
  const key = `${base}:${lineup.models.map(identityOf).join(',')}|${hash.value}`;
  sourceKeys.set(lineup, key);
  return key;
}
