/**
 * EndTokens: the tokens at which a reply ends, gathered from everywhere that models state them.
 */

import { MalformedFault } from '../bytes/fault.ts';
import type { ModelConfig, SideFiles } from '../formats/checkpoint.ts';
import { parseSideFile } from './side-file.ts';
import type { Tokenizer } from './tokenizer.ts';

/**
 * `eos_token_id` of generation_config.json and of config.json (a number or a list) and the tokenizer's own.
 * @throws MalformedFault where a file says something that is not a token number.
 */
export function readEndTokens(
  config: ModelConfig | null,
  sideFiles: SideFiles,
  tokenizer: Pick<Tokenizer, 'eosId'>,
): ReadonlySet<number> {
  const generation = parseSideFile(sideFiles, 'generation_config.json');
  const ids = new Set([
    ...read(generation?.['eos_token_id'], 'generation_config.json'),
    ...read(config?.['eos_token_id'], 'config.json'),
  ]);
  if (tokenizer.eosId !== null) ids.add(tokenizer.eosId);
  return ids;
}

function read(value: unknown, file: string): number[] {
  if (value === undefined || value === null) return [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  return ids.map((id) => {
    if (typeof id === 'number' && Number.isInteger(id)) return id;
    throw new MalformedFault(`eos_token_id in ${file} is ${JSON.stringify(value)}, not a token number.`, { file });
  });
}
