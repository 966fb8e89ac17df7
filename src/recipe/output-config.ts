/**
 * Output config: the config.json of a merge, which is the base's with the dtype that is really written and the edits
 * that the merge asks for. Everything else stays, in its order: keys that nobody here knows, and with the text given
 * also the spelling of numbers. Which edits there are is `merge/config-edits.ts`.
 */

import { MalformedFault } from '../bytes/fault.ts';
import { type BlendedDtype, TORCH_NAMES } from '../formats/dtype.ts';

/** `torch_dtype` until Transformers 4, `dtype` since 5. */
const DTYPE_KEYS = ['torch_dtype', 'dtype'] as const;
/** How a dtype key and its value stand in a text. */
const DTYPE_PAIR = /"(torch_dtype|dtype)"(\s*:\s*)(?:null|"[^"\\]*")/g;

type Config = Record<string, unknown>;

/** A value that is set: keys from the top, all but the last being those of objects that are there. */
export interface ConfigEdit {
  readonly path: readonly string[];
  readonly value: unknown;
}

function isRecord(value: unknown): value is Config {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Sets the dtype keys that are there, at the top and in parts such as `text_config`; adds `torch_dtype` if none is. */
function withDtype(config: Config, dtype: string, isTop: boolean): Config {
  const out: Config = {};
  for (const [key, value] of Object.entries(config)) {
    const isDtype = (DTYPE_KEYS as readonly string[]).includes(key) && (typeof value === 'string' || value === null);
    const isPart = isTop && key.endsWith('_config') && key !== 'quantization_config' && isRecord(value);
    // Assigning to `__proto__` would set the prototype instead of a key.
    Object.defineProperty(out, key, {
      value: isDtype ? dtype : isPart ? withDtype(value, dtype, false) : value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  if (isTop && !DTYPE_KEYS.some((key) => Object.hasOwn(out, key))) out.torch_dtype = dtype;
  return out;
}

/**
 * The text of the merge's config.json. `base` is the base's config.json, best as its text (`10000.0` then stays
 * `10000.0`), else parsed. `outDtype: null` keeps the dtype that it names. Throws a MalformedFault where the text is
 * not a JSON object.
 */
export function outputConfig(
  base: string | Readonly<Config>,
  options: { readonly outDtype: BlendedDtype | null; readonly edits?: readonly ConfigEdit[] },
): string {
  const { edits = [] } = options;
  return withOutDtype(typeof base === 'string' ? editedJson(base, edits) : edited(base, edits), options.outDtype);
}

function withOutDtype(base: string | Readonly<Config>, outDtype: BlendedDtype | null): string {
  let config: unknown = base;
  if (typeof base === 'string') {
    try {
      config = JSON.parse(base);
    } catch {
      config = null;
    }
  }
  if (!isRecord(config)) throw new MalformedFault('The base’s config.json is not a JSON object; fetch the file again.');
  if (outDtype === null) return typeof base === 'string' ? base : `${JSON.stringify(config, null, 2)}\n`;
  const dtype = TORCH_NAMES[outDtype];
  const wanted = JSON.stringify(withDtype(config, dtype, true), null, 2);
  if (typeof base === 'string') {
    const replaced = base.replace(DTYPE_PAIR, (_, key: string, colon: string) => `"${key}"${colon}"${dtype}"`);
    const end = base.lastIndexOf('}');
    const added = `${base.slice(0, end).trimEnd()},\n  "torch_dtype": "${dtype}"\n${base.slice(end)}`;
    // The text's own spelling is kept only where it is proved to say the same.
    for (const text of [replaced, added]) {
      if (saysTheSame(text, wanted)) return text;
    }
  }
  return `${wanted}\n`;
}

/** `config` with one edit made; the rest is shared. */
function edited(config: Readonly<Config>, edits: readonly ConfigEdit[]): Readonly<Config> {
  let out = config;
  for (const { path, value } of edits) {
    const [key, ...rest] = path;
    if (key === undefined) continue;
    const inner = Object.hasOwn(out, key) ? out[key] : undefined;
    if (rest.length > 0 && !isRecord(inner)) continue;
    out = { ...out, [key]: rest.length > 0 && isRecord(inner) ? edited(inner, [{ path: rest, value }]) : value };
  }
  return out;
}

/**
 * A JSON text with edits made. The spelling of all that is not edited stays where the text can be changed in place;
 * where it cannot, it is printed anew. A text that is no JSON object comes back as it is.
 */
export function editedJson(text: string, edits: readonly ConfigEdit[]): string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return text;
  }
  if (edits.length === 0 || !isRecord(json)) return text;
  const wanted = JSON.stringify(edited(json, edits), null, 2);
  let inPlace = text;
  for (const { path, value } of edits) {
    const key = JSON.stringify(path.at(-1)).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const old = new RegExp(`(${key}\\s*:\\s*)(?:-?[\\d.eE+-]+|true|false|null|"[^"\\\\]*"|\\[[^\\[\\]]*\\])`);
    inPlace = inPlace.replace(old, (_, start: string) => `${start}${JSON.stringify(value)}`);
  }
  return saysTheSame(inPlace, wanted) ? inPlace : `${wanted}\n`;
}

function saysTheSame(text: string, wanted: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text), null, 2) === wanted;
  } catch {
    return false;
  }
}
