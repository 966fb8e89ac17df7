/** Model name: how a recipe may name a model, and what is said of the forms that only mergekit takes. */

import { quoted } from './document.ts';
import { piece } from './parameter-value.ts';

const MAX_MODEL_CHARS = 1000;

/** Why a model cannot be named so in a recipe, as a sentence, or null where it can. */
export function modelNameObstacle(name: string): string | null {
  if (name.trim() === '')
    return 'A model has an empty name; write the path of its folder or the name of an open checkpoint.';
  if (name.length > MAX_MODEL_CHARS)
    return `A model’s name may have ${MAX_MODEL_CHARS} characters; this one has ${name.length}.`;
  if (/\p{Cc}/u.test(name)) return `The model name ${quoted(name)} has a line break or a control character in it.`;
  if (name.includes('+')) {
    return `${quoted(name)} is mergekit’s notation for a model with a LoRA, which is known to mergekit and not in this version; merge the LoRA into the model first, or rename the folder if the + is part of its name.`;
  }
  if (name.includes('@')) {
    return `${quoted(name)} is mergekit’s notation for a model’s revision, which is known to mergekit and not in this version; download that revision, or rename the folder if the @ is part of its name.`;
  }
  return null;
}

/** The schema piece of a model's name under `key`. */
export const modelName = (key: string) =>
  piece<string>((raw, complain) => {
    if (raw === undefined || raw === null)
      return complain(`This entry has no '${key}'; write the path of a folder or the name of an open checkpoint.`);
    if (typeof raw === 'number' || typeof raw === 'boolean')
      return complain(`A model’s name is text; put quotes around it.`, [], `"${raw}"`);
    if (typeof raw !== 'string')
      return complain(
        `'${key}' written as a map or list is known to mergekit and not in this version; write a path or a name.`,
      );
    const obstacle = modelNameObstacle(raw);
    return obstacle === null ? raw : complain(obstacle);
  });
