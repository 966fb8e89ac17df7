/**
 * Picking: files that come one by one, without a folder, and which model they belong to. A person may pick the
 * weights first and config.json later, or one shard after another; until the model is whole its files wait here.
 * Not the grouping of files that come together (`formats/open.ts`).
 */

import type { GivenFile } from '../formats/open.ts';
import { isShardIndex, isWeightFile } from '../formats/shards.ts';

/** One of several shards, by its name. */
const SHARD = /-\d{5}-of-\d{5}\.safetensors$/;

/** True where a file carries no folder. */
export function isLoose({ path }: Pick<GivenFile, 'path'>): boolean {
  return !/[/\\]/.test(path);
}

/**
 * True where loose files `now` go on with the model that `before` began: no name comes twice, and either only one
 * of the two has weights, or both are shards.
 */
export function continuesPick(before: readonly GivenFile[], now: readonly GivenFile[]): boolean {
  if (before.length === 0 || ![...before, ...now].every(isLoose)) return false;
  const names = new Set(before.map(({ path }) => path));
  if (now.some(({ path }) => names.has(path))) return false;
  const weights = (files: readonly GivenFile[]) => files.map(({ path }) => path).filter((path) => isWeightFile(path));
  const older = weights(before);
  const newer = weights(now);
  if (older.length === 0 || newer.length === 0) return true;
  const isSharded =
    [...before, ...now].some(({ path }) => isShardIndex(path)) || older.every((path) => SHARD.test(path));
  return isSharded && newer.every((path) => SHARD.test(path));
}
