/**
 * ExportConfig: the small files of an exported model, as transformers.js wants them: it reads config.json,
 * generation_config.json, tokenizer.json and tokenizer_config.json, and no other file. Made from the files of the model
 * as it would be saved. Not the weights (`export.ts`).
 */

import { MalformedFault } from '../bytes/fault.ts';
import type { SideFiles } from '../formats/checkpoint.ts';
import type { OnnxPlan } from './export.ts';
import { isRecord, type JsonRecord, parseSideFile } from './side-file.ts';
import { ChatTemplate } from './template.ts';
import { hasTokenizer, readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.ts';

/** Keys of config.json that say how a reply begins and ends. */
const GENERATION_KEYS = ['bos_token_id', 'eos_token_id', 'pad_token_id'] as const;

/** What special_tokens_map.json says that tokenizer_config.json has to. */
const SPECIAL_TOKENS = ['bos_token', 'eos_token', 'pad_token', 'unk_token'] as const;

/**
 * The text files that go beside the graphs.
 * @param texts those of the model; config.json is among them.
 * @param sentencePiece what `sentence-piece.ts` made of tokenizer.model; null where that is not there.
 * @throws MalformedFault where one of them cannot be used.
 */
export function exportedTexts(
  texts: SideFiles,
  plans: readonly OnnxPlan[],
  sentencePiece: TokenizerFiles | null = null,
): Map<string, string> {
  const out = new Map(texts);
  const config = textConfig(parseSideFile(texts, 'config.json') ?? {});
  out.set('config.json', json({ ...config, 'transformers.js_config': runtimeConfig(config, plans) }));
  if (!texts.has('generation_config.json')) {
    const known = GENERATION_KEYS.flatMap((key) => (config[key] == null ? [] : [[key, config[key]] as const]));
    out.set('generation_config.json', json({ _from_model_config: true, ...Object.fromEntries(known) }));
  }
  const { definition, config: own } = tokenizerFiles(texts, sentencePiece);
  if (definition) out.set('tokenizer.json', json(definition));
  const tokenizer = definition || texts.has('tokenizer.json') ? tokenizerConfig(texts, own) : null;
  if (tokenizer) out.set('tokenizer_config.json', json(tokenizer));
  return out;
}

/** The tokenizer's settings, and where there is no tokenizer.json but older files, what would stand in it. */
function tokenizerFiles(
  texts: SideFiles,
  sentencePiece: TokenizerFiles | null,
): { readonly definition: JsonRecord | null; readonly config: JsonRecord | null } {
  if (texts.has('tokenizer.json') || (sentencePiece === null && !hasTokenizer(texts))) {
    return { definition: null, config: parseSideFile(texts, 'tokenizer_config.json') };
  }
  return readTokenizerFiles(texts, sentencePiece);
}

/** Of a model that sees images too, its text part, which is all that the graph is. */
function textConfig(config: JsonRecord): JsonRecord {
  const { text_config: part, vision_config: _, architectures: __, ...whole } = config;
  if (!isRecord(part) || typeof part['model_type'] !== 'string') return config;
  const tokens = Object.fromEntries(Object.entries(whole).filter(([key]) => key.endsWith('_token_id')));
  return { ...tokens, ...part };
}

/** What transformers.js has to know before it loads a graph; version 3 asks for the cache's type too. */
function runtimeConfig(config: JsonRecord, plans: readonly OnnxPlan[]): JsonRecord {
  const own = config['transformers.js_config'];
  const files = plans.map(({ fileName, dataFiles }) => [fileName, dataFiles.length] as const);
  const hasHalf = plans.some(({ dtype }) => dtype === 'fp16');
  return {
    ...(isRecord(own) ? own : {}),
    use_external_data_format: Object.fromEntries(files),
    ...(hasHalf ? { kv_cache_dtype: { fp16: 'float16' } } : {}),
  };
}

/** tokenizer_config.json with what stands in other files; null where the one that is there says it all. */
function tokenizerConfig(texts: SideFiles, own: JsonRecord | null): JsonRecord | null {
  const specials = parseSideFile(texts, 'special_tokens_map.json') ?? {};
  const lacking = SPECIAL_TOKENS.filter((key) => own?.[key] === undefined && specials[key] !== undefined);
  const template = own?.['chat_template'] == null ? templateText(texts) : null;
  const isThere = texts.has('tokenizer.json') && texts.has('tokenizer_config.json');
  if (isThere && lacking.length === 0 && template === null) return null;
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...own,
    ...Object.fromEntries(lacking.map((key) => [key, specials[key]])),
    ...(template === null ? {} : { chat_template: template }),
  };
}

/** The template where it stands in a file of its own; one that does not parse stays there. */
function templateText(texts: SideFiles): string | null {
  try {
    return ChatTemplate.read(texts)?.text ?? null;
  } catch (thrown) {
    if (thrown instanceof MalformedFault) return null;
    throw thrown;
  }
}

function json(value: JsonRecord): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
