/**
 * Sources: a recipe's models, opened from disk. A model's string is a path relative to the recipe's folder; nothing
 * is looked up anywhere else, and nothing is downloaded.
 */

import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { MissingFault } from '../bytes/fault.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openFolder, type NodeCheckpoint } from '../formats/node-open.ts';
import { nearest } from '../recipe/nearest.ts';
import { modelsNeeded, type Recipe } from '../recipe/recipe.ts';

/** The models of one recipe. */
export interface Sources {
  /** The checkpoint that a model string of the recipe means; it is called by the first string that means it. */
  readonly find: (model: string) => Checkpoint | undefined;
  /** Closes all files. */
  close(): Promise<void>;
}

/** Such as `mistralai/Mistral-7B-v0.1`. */
const HUB_NAME = /^[A-Za-z0-9][\w.-]*\/[\w.-]+$/;

/** Opens what the recipe at `recipePath` names. Throws the Fault of the first model that cannot be opened. */
export async function openSources(recipe: Recipe, recipePath: string): Promise<Sources> {
  const opened = new Map<string, NodeCheckpoint>();
  const byName = new Map<string, Checkpoint>();
  const close = async () => {
    for (const checkpoint of opened.values()) await checkpoint.close();
  };
  try {
    for (const model of modelsNeeded(recipe)) {
      const path = isAbsolute(model) ? model : join(dirname(recipePath), model);
      const full = resolve(path);
      let checkpoint = opened.get(full);
      if (!checkpoint) {
        await requireThere(model, path, recipe);
        // In the card and in every message a model is what the recipe calls it.
        checkpoint = { ...(await openFolder(path)), name: model };
        opened.set(full, checkpoint);
      }
      byName.set(model, checkpoint);
    }
  } catch (thrown) {
    await close();
    throw thrown;
  }
  return { find: (model) => byName.get(model), close };
}

async function requireThere(model: string, path: string, recipe: Recipe): Promise<void> {
  if (await stat(path).catch(() => null)) return;
  throw new MissingFault(`The recipe names ${model}, and there is no ${path}. ${remedy(model, recipe)}`, {
    file: path,
  });
}

/** What someone most likely meant who named a model that is not there. */
function remedy(model: string, { tokenizer }: Recipe): string {
  if (model.startsWith('~'))
    return 'Here it is a name like any other, since only a shell knows ~; write the whole path.';
  if (HUB_NAME.test(model)) {
    return 'If it is a name on the Hugging Face Hub: Fusewright downloads nothing, so download the model first and name its folder.';
  }
  const word =
    tokenizer?.source.kind === 'model' && tokenizer.source.model === model ? nearest(model, ['union', 'base']) : null;
  return word === null ? 'Models’ paths are relative to the recipe’s folder.' : `Did you mean '${word}'?`;
}
