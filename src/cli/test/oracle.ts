/** The oracle with its own reader of whole model folders. For Node only; in a browser, `oracle-formulas.ts` alone. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type OracleModel, parseModel } from './oracle-formulas.ts';

export * from './oracle-formulas.ts';

/** Every tensor of every .safetensors file in a folder. */
export function readModel(folder: string): OracleModel {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  return new Map(files.flatMap((name) => [...parseModel(readFileSync(join(folder, name)))]));
}
