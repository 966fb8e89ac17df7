/**
 * Node open: opens one checkpoint from disk, for the command line. For Node only; what belongs together and what is
 * refused is decided by `open.ts`, as in the page.
 */

import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { MissingFault, UnsupportedFault } from '../bytes/fault.ts';
import { type NodeBytes, nodeBytes } from '../bytes/node-bytes.ts';
import type { Checkpoint } from './checkpoint.ts';
import { isOpenable, openFiles } from './open.ts';
import { areSiblings, isWeightFile } from './shards.ts';
import { isSideFile } from './side-files.ts';

/** A checkpoint whose files are open. */
export interface NodeCheckpoint extends Checkpoint {
  /** Closes its files. Safe to call twice; reading tensors after it throws. */
  close(): Promise<void>;
}

/**
 * Opens the model in the directory `path`, or the .safetensors file `path` (with the other shards, where it is one
 * of several) and the side files beside it. It is called by its folder's name, or by the file's where that is one.
 * Throws the Fault of the first thing that is wrong, MissingFault where there is no model, UnsupportedFault where
 * there are several.
 */
export async function openFolder(path: string): Promise<NodeCheckpoint> {
  const full = resolve(path);
  const found = await stat(full).catch(() => null);
  if (!found) throw new MissingFault(`${path} does not exist; check the path.`, { file: path });
  const folder = found.isDirectory() ? full : dirname(full);
  const shown = found.isDirectory() ? path : dirname(path);
  const only = found.isDirectory() ? null : basename(full);
  if (only !== null && !isWeightFile(only)) {
    throw new UnsupportedFault(`${path} is not a .safetensors file; name one, or a model's folder.`, { file: path });
  }
  const isWanted = (name: string) =>
    only === null ? isOpenable(name) : name === only || areSiblings(name, only) || isSideFile(name);
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.') && isWanted(name)).sort();
  // model.safetensors says nothing, so it gets its folder's name; any other file keeps its own.
  const prefix = only === null || /^model\b/.test(only) ? `${basename(folder)}/` : '';

  const opened: NodeBytes[] = [];
  const close = async () => {
    for (const bytes of opened) await bytes.close();
  };
  try {
    for (const name of names) opened.push(await nodeBytes(join(folder, name), join(shown, name)));
    const files = opened.map((bytes, i) => ({ path: `${prefix}${names[i]}`, bytes }));
    const { checkpoints, failures } = await openFiles(files);
    const [failure] = failures;
    if (failure) throw failure.thrown;
    const [checkpoint] = checkpoints;
    if (!checkpoint) {
      throw new MissingFault(`${path} holds no .safetensors file; name a model's folder.`, { file: path });
    }
    if (checkpoints.length > 1) {
      throw new UnsupportedFault(
        `${path} holds several models (${checkpoints.map(({ name }) => name).join(', ')}); name one of the files.`,
        { file: path },
      );
    }
    return { ...checkpoint, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
