/**
 * Shards: which weight files of one folder belong together. By an index where there is one, else by their names
 * (`…-00001-of-00003.safetensors`); a file that belongs to no set is a set of its own. Reads indexes, no weights.
 */

import type { Bytes } from '../bytes/bytes.ts';
import { MalformedFault, MissingFault } from '../bytes/fault.ts';
import { listed } from '../bytes/listed.ts';
import { parseJsonObject, readText } from './side-files.ts';

/** Weight files that are one model. */
export interface ShardSet {
  /** What their names share: `model` for model.safetensors and for model-00001-of-00002.safetensors. */
  readonly stem: string;
  /** In order, by name without folders. */
  readonly files: readonly { readonly name: string; readonly bytes: Bytes }[];
  /** Tensor to file name, as the index says; null where there is no index. */
  readonly weightMap: ReadonlyMap<string, string> | null;
}

/** What was found in a folder; `thrown` is what opening `file` failed with. */
export interface FoundShards {
  readonly sets: readonly ShardSet[];
  readonly failures: readonly { readonly file: string; readonly thrown: unknown }[];
}

const WEIGHTS = /^(.*)\.safetensors$/i;
const INDEX = /^(.*)\.safetensors\.index\.json$/i;
const NUMBERED = /^(.*)-(\d{5})-of-(\d{5})$/;

/** True for the name of a weight file. */
export function isWeightFile(name: string): boolean {
  return WEIGHTS.test(name);
}

/** True for the name of an index of shards. */
export function isShardIndex(name: string): boolean {
  return INDEX.test(name);
}

/** Sorts the weight files of one folder (by name without folders) into sets, each complete. */
export async function findShards(files: ReadonlyMap<string, Bytes>): Promise<FoundShards> {
  const left = new Map([...files].filter(([name]) => isWeightFile(name)).sort(([a], [b]) => compareNames(a, b)));
  const sets: ShardSet[] = [];
  const failures: { file: string; thrown: unknown }[] = [];
  const take = (stem: string, names: readonly string[], listedBy: Bytes, weightMap: ShardSet['weightMap']) => {
    const present = names.filter((name) => left.has(name));
    const missing = names.filter((name) => !left.has(name));
    const taken = present.flatMap((name) => {
      const bytes = left.get(name);
      left.delete(name);
      return bytes ? [{ name, bytes }] : [];
    });
    if (missing.length === 0) sets.push({ stem, files: taken, weightMap });
    else failures.push({ file: listedBy.name, thrown: missingFault(listedBy, missing) });
  };

  for (const [name, bytes] of files) {
    const stem = INDEX.exec(name)?.[1];
    if (stem === undefined) continue;
    try {
      const weightMap = readWeightMap(bytes, await readText(bytes));
      take(stem, [...new Set(weightMap.values())].sort(compareNames), bytes, weightMap);
    } catch (thrown) {
      failures.push({ file: bytes.name, thrown });
      // Without its index the set is not to be trusted, so its shards are not opened behind the index's back.
      for (const shard of left.keys()) if (numbered(shard)?.stem === stem) left.delete(shard);
    }
  }

  for (const [name, bytes] of [...left]) {
    if (!left.has(name)) continue;
    const stem = WEIGHTS.exec(name)?.[1] ?? name;
    const shard = numbered(name);
    if (!shard) {
      left.delete(name);
      sets.push({ stem, files: [{ name, bytes }], weightMap: null });
      continue;
    }
    const names = Array.from({ length: shard.count }, (_, i) => shard.nameOf(i + 1));
    // A number beyond the count belongs to no set of that name.
    if (names.includes(name)) take(shard.stem, names, bytes, null);
    else {
      left.delete(name);
      failures.push({ file: bytes.name, thrown: oddNumber(bytes, shard.count) });
    }
  }
  return { sets, failures };
}

/** True where two names are shards of one set by their numbering: `a-00001-of-00002` and `a-00002-of-00002`. */
export function areSiblings(a: string, b: string): boolean {
  const [one, other] = [numbered(a), numbered(b)];
  return one !== null && other !== null && one.stem === other.stem && one.count === other.count;
}

function readWeightMap(file: Bytes, text: string): ReadonlyMap<string, string> {
  const map = parseJsonObject(file, text)['weight_map'];
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new MalformedFault(`${file.name} has no "weight_map"; fetch it again.`, { file: file.name });
  }
  const entries = Object.entries(map);
  if (entries.length === 0) {
    throw new MalformedFault(`${file.name} lists no tensors; fetch it again.`, { file: file.name });
  }
  for (const [tensor, name] of entries) {
    if (typeof name !== 'string' || !isWeightFile(name)) {
      throw new MalformedFault(
        `${file.name} says of tensor "${tensor}" something that is not a .safetensors file; fetch it again.`,
        { file: file.name, tensor },
      );
    }
  }
  return new Map(entries);
}

function numbered(name: string) {
  const stem = WEIGHTS.exec(name)?.[1];
  const [, prefix, , countText] = NUMBERED.exec(stem ?? '') ?? [];
  if (stem === undefined || prefix === undefined || countText === undefined) return null;
  const extension = name.slice(stem.length);
  const nameOf = (i: number) => `${prefix}-${String(i).padStart(5, '0')}-of-${countText}${extension}`;
  return { stem: prefix, count: Number(countText), nameOf };
}

function missingFault(listedBy: Bytes, missing: readonly string[]): MissingFault {
  const them = missing.length === 1 ? 'it' : 'them';
  return new MissingFault(
    `${listedBy.name} needs ${listed(missing, 8)} beside it; add ${them} together with the rest.`,
    {
      file: listedBy.name,
      missing,
    },
  );
}

function oddNumber(file: Bytes, count: number): MalformedFault {
  return new MalformedFault(`${file.name} is numbered outside 1 to ${count}; rename it or fetch it again.`, {
    file: file.name,
  });
}

/** By code units, so that the order is the same on every machine. */
function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
