/**
 * SideFile: a small JSON file beside the weights, parsed with its name in every complaint. Not a schema: whoever
 * reads a key checks it.
 */

import { MalformedFault } from '../bytes/fault.ts';
import type { SideFiles } from '../formats/checkpoint.ts';

/** An object of a JSON file: nothing is known about its values. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/**
 * Parses a side file that must hold a JSON object.
 * @returns null where the file is not there.
 * @throws MalformedFault where it is not JSON or not an object.
 */
export function parseSideFile(sideFiles: SideFiles, name: string): JsonRecord | null {
  const text = sideFiles.get(name);
  if (text === undefined) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MalformedFault(`${name} is not valid JSON; fetch it again.`, { file: name });
  }
  if (!isRecord(value))
    throw new MalformedFault(`${name} does not hold a JSON object; fetch it again.`, { file: name });
  return value;
}

/** True for an object that is not null and not an array. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text of a token in tokenizer_config.json: a string, or an object with `content`; null where it is neither. */
export function tokenText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return isRecord(value) && typeof value['content'] === 'string' ? value['content'] : null;
}
