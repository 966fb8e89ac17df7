/**
 * Open: makes checkpoints of the files that a person dropped or picked: one folder, several, nested ones, loose
 * files, or a mix. Decides what belongs together, reads headers and side files, and reads no weight. Judging one
 * header is `safetensors.ts`, sorting shards is `shards.ts`, and whether checkpoints fit each other is `merge/`.
 */

import type { Bytes } from '../bytes/bytes.ts';
import { type FaultReport, MalformedFault, MissingFault, toReport, UnsupportedFault } from '../bytes/fault.ts';
import type { Checkpoint, ModelConfig, TensorEntry } from './checkpoint.ts';
import { foreignFault, SNIFF_BYTES } from './foreign.ts';
import { readHeader } from './safetensors.ts';
import { findShards, isShardIndex, isWeightFile, type ShardSet } from './shards.ts';
import { isSideFile, type ReadSideFiles, readSideFiles } from './side-files.ts';

/** A file with the path under which it was given: `folder/config.json`, or `config.json` for a loose one. */
export interface GivenFile {
  readonly path: string;
  readonly bytes: Bytes;
}

/** What came of the files. A fault stops the checkpoint it belongs to and no other. */
export interface OpenedFiles {
  readonly checkpoints: readonly Checkpoint[];
  readonly failures: readonly { readonly file: string; readonly thrown: unknown }[];
}

/** Weight formats that Fusewright does not read, by extension. */
const FOREIGN_WEIGHTS = /\.(gguf|ggml|bin|pt|pth|ckpt|pkl|h5|msgpack|onnx|npz)$/i;

/** Subfolders of a model's folder that hold other editions of the same model, or no model. */
const OTHER_EDITIONS = new Set(['onnx', 'openvino', 'coreml', 'tflite', 'flax', 'original', 'runs', 'logs']);

/** True where `openCheckpoints` would look into a file of this name (without folders) at all. */
export function isOpenable(name: string): boolean {
  return isWeightFile(name) || isShardIndex(name) || isSideFile(name) || FOREIGN_WEIGHTS.test(name);
}

/**
 * Opens checkpoints, with names that are unique among themselves and `taken`. Never rejects for what a file holds:
 * each failure comes back with the file's path and a report.
 */
export async function openCheckpoints(
  files: readonly GivenFile[],
  taken: Iterable<string> = [],
): Promise<{ checkpoints: Checkpoint[]; faults: { file: string; report: FaultReport }[] }> {
  const { checkpoints, failures } = await openFiles(files, taken);
  return {
    checkpoints: [...checkpoints],
    faults: failures.map(({ file, thrown }) => ({ file, report: toReport(thrown) })),
  };
}

/** As `openCheckpoints`, with what was thrown as it is, for those who throw it on. */
export async function openFiles(files: readonly GivenFile[], taken: Iterable<string> = []): Promise<OpenedFiles> {
  const names = new Set(taken);
  const checkpoints: Checkpoint[] = [];
  const { folders, failures } = byFolder(files);
  for (const [path, folder] of folders) {
    if ([...folder.keys()].some(isWeightFile) || [...folder.keys()].some(isShardIndex)) {
      await openFolderFiles(path, folder, names, checkpoints, failures);
    }
    await explainForeign(path, folder, folders, failures);
  }
  const [first] = files;
  if (first && checkpoints.length === 0 && failures.length === 0) {
    failures.push({
      file: first.path,
      thrown: new MissingFault(
        `There is no .safetensors file among what was added (${first.path}${files.length > 1 ? ', …' : ''}); add a model's folder or its weights.`,
        { files: files.slice(0, 20).map(({ path }) => path) },
      ),
    });
  }
  return { checkpoints, failures };
}

/** `name`, or `name (2)`, `name (3)` … where it is taken. Adds what it returns to `taken`. */
export function uniqueName(name: string, taken: Set<string>): string {
  let unique = name;
  for (let i = 2; taken.has(unique); i++) unique = `${name} (${i})`;
  taken.add(unique);
  return unique;
}

type Folder = ReadonlyMap<string, Bytes>;
type Failures = { file: string; thrown: unknown }[];

/** Files by folder, in order of path; hidden files and other editions of a model are left out. */
function byFolder(files: readonly GivenFile[]): { folders: ReadonlyMap<string, Folder>; failures: Failures } {
  const failures: Failures = [];
  const folders = new Map<string, Map<string, Bytes>>();
  const given = files.map((file) => ({
    ...file,
    parts: file.path.split(/[/\\]/).filter((p) => p !== '' && p !== '.'),
  }));
  let picks = 0;
  for (const { path, parts, bytes } of given) {
    const name = parts.at(-1);
    // The first part of a path was chosen by the user, be it hidden or not.
    if (name === undefined || parts.some((part, i) => /^\.|^__MACOSX$/.test(part) && (i > 0 || parts.length === 1))) {
      continue;
    }
    const directory = parts.slice(0, -1).join('/');
    // Picked files carry no folder: where a name comes again, the next model's files begin.
    if (directory === '' && isOpenable(name) && folders.get(looseKey(picks))?.has(name)) picks += 1;
    const key = directory === '' ? looseKey(picks) : directory;
    const folder = folders.get(key) ?? new Map<string, Bytes>();
    folders.set(key, folder);
    if (!folder.has(name)) folder.set(name, bytes);
    else if (isOpenable(name)) {
      const message = `${path} was given twice; add the folders that hold them, so that they can be told apart.`;
      failures.push({ file: path, thrown: new UnsupportedFault(message, { file: path }) });
    }
  }
  for (const key of [...folders.keys()]) {
    const parts = key.split('/');
    const edition = parts.findIndex((part, i) => i > 0 && OTHER_EDITIONS.has(part));
    if (edition > 0 && holdsWeightsAbove(parts.slice(0, edition + 1), folders)) folders.delete(key);
  }
  return { folders: new Map([...folders].sort(([a], [b]) => (a < b ? -1 : 1))), failures };
}

/** The key of the nth set of files that came without a folder; no path looks like it. */
function looseKey(pick: number): string {
  return pick === 0 ? '' : `\n${String(pick).padStart(6, '0')}`;
}

function isLooseKey(path: string): boolean {
  return path === '' || path.startsWith('\n');
}

/** True where a folder on the way to `parts` holds weights. */
function holdsWeightsAbove(parts: readonly string[], folders: ReadonlyMap<string, Folder>): boolean {
  return parts.some(
    (_, i) => i > 0 && [...(folders.get(parts.slice(0, i).join('/'))?.keys() ?? [])].some(isWeightFile),
  );
}

async function openFolderFiles(
  path: string,
  folder: Folder,
  names: Set<string>,
  checkpoints: Checkpoint[],
  failures: Failures,
): Promise<void> {
  const found = await findShards(folder);
  failures.push(...found.failures);
  // Mistral's own edition of the weights that lie in the other files.
  const isOnlyOne = found.sets.length === 1;
  const sets = found.sets.filter(({ stem }) => isOnlyOne || !stem.startsWith('consolidated'));
  if (sets.length === 0) return;
  let sides: ReadSideFiles;
  try {
    sides = await readSideFiles(folder);
  } catch (thrown) {
    const file =
      thrown instanceof Error && 'details' in thrown ? (thrown.details as { file?: string }).file : undefined;
    failures.push({ file: file ?? path, thrown });
    return;
  }
  let isFolderNameFree = true;
  for (const set of sets) {
    const first = set.files[0]?.bytes.name ?? path;
    try {
      if (set.stem === 'adapter_model') throw adapterFault(first);
      const opened = await openSet(set, sides);
      const isFoldersModel = set.stem === 'model' || (!isLooseKey(path) && sets.length === 1 && sides.config !== null);
      const base = isFoldersModel && isFolderNameFree ? folderName(path, sides.config) : set.stem;
      if (isFoldersModel) isFolderNameFree = false;
      checkpoints.push({ ...opened, name: uniqueName(base, names) });
    } catch (thrown) {
      failures.push({ file: first, thrown });
    }
  }
}

async function openSet(set: ShardSet, sides: ReadSideFiles): Promise<Omit<Checkpoint, 'name'>> {
  const tensors = new Map<string, TensorEntry>();
  const homes = new Map<string, string>();
  let totalBytes = 0;
  for (const { name, bytes } of set.files) {
    for (const tensor of (await readHeader(bytes)).tensors) {
      const other = tensors.get(tensor.name);
      if (other) {
        throw new MalformedFault(
          `Tensor "${tensor.name}" is both in ${other.file.name} and in ${bytes.name}; fetch the files again, all from one place.`,
          { tensor: tensor.name, files: [other.file.name, bytes.name] },
        );
      }
      tensors.set(tensor.name, tensor);
      homes.set(tensor.name, name);
      totalBytes += tensor.end - tensor.start;
    }
  }
  const first = set.files[0]?.bytes.name ?? set.stem;
  if (tensors.size === 0) throw new MalformedFault(`${first} holds no tensors; fetch it again.`, { file: first });
  for (const [tensor, file] of set.weightMap ?? []) {
    if (homes.get(tensor) === file) continue;
    const home = homes.get(tensor);
    const pathOf = (wanted: string) => set.files.find(({ name }) => name === wanted)?.bytes.name ?? wanted;
    throw new MalformedFault(
      `The index says that tensor "${tensor}" is in ${pathOf(file)}, and it is ${home ? `in ${pathOf(home)}` : 'not there'}; fetch the files again, all from one place.`,
      { tensor, file, found: home ?? null },
    );
  }
  if ([...tensors.keys()].every((name) => /(^|[._])lora_/.test(name))) throw adapterFault(first);
  return {
    tensors,
    config: sides.config,
    sideFiles: sides.texts,
    binarySideFiles: sides.binaries,
    brokenSideFiles: sides.broken,
    totalBytes,
    weightFiles: set.files.map(({ name }) => name),
  };
}

function adapterFault(file: string): UnsupportedFault {
  return new UnsupportedFault(
    `${file} is a LoRA adapter, which changes a model instead of being one; merge it into its base model first (PEFT's merge_and_unload does) and add the result.`,
    { file },
  );
}

/** A model's name from its folder's path; from its config where it came without a folder. */
function folderName(path: string, config: ModelConfig | null): string {
  const parts = path.split('/');
  // The Hub's cache: models--ORG--NAME/snapshots/HASH.
  const cached = parts.at(-2) === 'snapshots' ? /^models--.+--(.+)$/.exec(parts.at(-3) ?? '')?.[1] : undefined;
  if (!isLooseKey(path)) return cached ?? parts.at(-1) ?? path;
  const origin = config?.['_name_or_path'];
  const last = typeof origin === 'string' ? origin.split(/[/\\]/).filter(Boolean).at(-1) : undefined;
  return last === undefined || /^\.+$/.test(last) ? 'model' : last.slice(0, 100);
}

/** Says what is wrong with a folder that looks like a model's and has no weights that are read here. */
async function explainForeign(
  path: string,
  folder: Folder,
  folders: ReadonlyMap<string, Folder>,
  failures: Failures,
): Promise<void> {
  const names = [...folder.keys()];
  const isLoose = isLooseKey(path);
  if (!isLoose && (names.some(isWeightFile) || holdsWeightsAbove([...path.split('/'), ''], folders))) return;
  const foreign = names.filter((name) => FOREIGN_WEIGHTS.test(name));
  for (const name of isLoose ? foreign : foreign.slice(0, 1)) {
    const bytes = folder.get(name);
    if (!bytes) continue;
    try {
      const head = await bytes.slice(0, Math.min(SNIFF_BYTES, bytes.size));
      const message = `${bytes.name} is not safetensors, the one format that is read here; choose a safetensors version of it.`;
      failures.push({ file: bytes.name, thrown: foreignFault(bytes.name, head) ?? new UnsupportedFault(message) });
    } catch (thrown) {
      failures.push({ file: bytes.name, thrown });
    }
  }
  const config = folder.get('config.json');
  const holdsWeightsBelow = [...folders].some(
    ([other, inside]) => other.startsWith(`${path}/`) && [...inside.keys()].some(isWeightFile),
  );
  if (!isLoose && foreign.length === 0 && config && !holdsWeightsBelow && !names.some(isShardIndex)) {
    const message = `${config.name} came without weights; add the .safetensors files that belong beside it.`;
    failures.push({ file: config.name, thrown: new MissingFault(message, { file: config.name }) });
  }
}
