/**
 * OnnxSave: a merge streamed to a folder that transformers.js loads: for each dtype a graph and its weights as external
 * data, then config, tokenizer, recipe, model card and audit as in any save (`merge/save.ts`). It joins the pieces of
 * a blend with the layout of `chat/export.ts`, which may not know of each other. With several dtypes the merge is
 * computed once for each, so that never more than a few pieces are held.
 */

import { abandon } from '../bytes/abandon.ts';
import { type StartDigest, wasmDigest } from '../bytes/digest.ts';
import { MalformedFault, MismatchFault, throwIfCancelled, UnsupportedFault } from '../bytes/fault.ts';
import type { Folder } from '../bytes/sink.ts';
import { type Architecture, describeArchitecture } from '../chat/architecture.ts';
import { exportedTexts } from '../chat/export-config.ts';
import {
  dataFileBytes,
  type ExportTensor,
  ONNX_FOLDER,
  type OnnxDtype,
  type OnnxPlan,
  type OnnxPlanOptions,
  planOnnx,
} from '../chat/export.ts';
import { readSentencePiece } from '../chat/sentence-piece.ts';
import type { TokenizerFiles } from '../chat/tokenizer-files.ts';
import type { ModelConfig } from '../formats/checkpoint.ts';
import { isBlended } from '../formats/dtype.ts';
import { Audit, AUDIT_FILE, type AuditFinding } from '../merge/audit.ts';
import { AuditedFolder, chunksOf } from '../merge/audited-folder.ts';
import type { Blend, WorkOptions } from '../merge/blend.ts';
import type { Lineup } from '../merge/lineup.ts';
import { type FilePlan, outputTensors, planFiles } from '../merge/output-files.ts';
import type { Progress } from '../merge/progress.ts';
import { CARD_FILE, type Saved } from '../merge/save.ts';
import { modelCard } from '../recipe/card.ts';
import { MergedTensors } from './onnx-save-tensors.ts';

/** What to call a merge, and which dtypes to write. */
export interface OnnxOptions extends OnnxPlanOptions {
  readonly name: string;
  /** The recipe as it was written. */
  readonly recipeText: string;
  /** At least one; each is written once. */
  readonly dtypes: readonly OnnxDtype[];
  /** Fusewright's version. */
  readonly version: string;
}

/** How a save is done, and watched. */
export interface OnnxSaveOptions extends OnnxOptions, WorkOptions {
  /** How SHA-256 is taken; WebAssembly where it is left out. */
  readonly startDigest?: StartDigest;
}

/** All files of an ONNX save before any of them is written. */
export interface OnnxSavePlan {
  readonly architecture: Architecture;
  readonly plans: readonly OnnxPlan[];
  readonly files: FilePlan;
  /** Bytes of all graphs and data files. */
  readonly weightBytes: number;
}

/**
 * Plans an ONNX save. Pure, and reads no weight.
 * @throws UnsupportedFault where no graph can be made for the model, or a tensor is too large for a browser.
 */
export function planOnnxSave(lineup: Lineup, options: OnnxOptions): OnnxSavePlan {
  const dtypes = [...new Set(options.dtypes)];
  if (dtypes.length === 0) throw new RangeError('an ONNX save needs at least one dtype');
  // One shard, so that there is no index.
  const files = planFiles(lineup, { ...options, maxShardBytes: Number.MAX_SAFE_INTEGER });
  const tensors = outputTensors(lineup);
  const architecture = architectureOf(
    files.texts,
    tensors.map(({ name }) => name),
  );
  const usable = tensors.filter((tensor): tensor is ExportTensor => isBlended(tensor.dtype));
  const plans = dtypes.map((dtype) => {
    try {
      return planOnnx(architecture, usable, dtype, options);
    } catch (thrown) {
      const odd = thrown instanceof MismatchFault ? tensors.find(({ dtype: own }) => !isBlended(own)) : undefined;
      if (!odd) throw thrown;
      throw new UnsupportedFault(
        `This merge cannot be written as ONNX: the tensor ${odd.name} is stored as ${odd.dtype}. Save it as safetensors instead.`,
      );
    }
  });
  const weightBytes = plans
    .flatMap(({ model, dataFiles }) => [model.length, ...dataFiles.map(({ sizeBytes }) => sizeBytes)])
    .reduce((sum, bytes) => sum + bytes, 0);
  const card = { ...files.card, onnx: dtypes };
  return { architecture, plans, files: { ...files, card }, weightBytes };
}

function architectureOf(texts: ReadonlyMap<string, string>, names: readonly string[]): Architecture {
  const text = texts.get('config.json');
  try {
    return describeArchitecture(text === undefined ? null : (JSON.parse(text) as ModelConfig), names);
  } catch (thrown) {
    if (!(thrown instanceof UnsupportedFault)) throw thrown;
    const reason = String(thrown.details['reason'] ?? thrown.message).replace(/\.$/, '');
    throw new UnsupportedFault(
      `This merge cannot be written as ONNX: ${reason}. Save it as safetensors instead.`,
      thrown.details,
    );
  }
}

/**
 * Writes a merge as ONNX, and says what the audit found in it. Failures and a stop are as in `merge/save.ts`: the
 * folder is aborted before the error is thrown on.
 */
export async function saveOnnx(
  blend: Pick<Blend, 'pieces'>,
  lineup: Lineup,
  folder: Folder,
  options: OnnxSaveOptions,
): Promise<Saved> {
  const { signal, startDigest = wasmDigest, version } = options;
  try {
    const { architecture, plans, files } = planOnnxSave(lineup, options);
    const texts = exportedTexts(files.texts, plans, await sentencePieceOf(files));
    const planned = files.shards.shards.flatMap(({ tensors }) => tensors);
    const copied = new Map(lineup.copied.map(({ name, entry }) => [name, entry]));
    const read = new Set(plans.flatMap(({ dataFiles }) => dataFiles.flatMap((file) => file.tensors.map(nameOf))));
    const audit = new Audit(lineup, {
      tensors: planned
        .filter(({ name }) => !copied.has(name) || read.has(name))
        .map(({ name, dtype, shape, start, end }) => ({ name, dtype, shape, bytes: end - start })),
      config: files.texts.get('config.json') ?? null,
      version,
    });
    for (const finding of warnings(architecture, options.dtypes, texts)) audit.note(finding);
    const output = new AuditedFolder(folder, audit, startDigest);
    const overflowed = new Map<string, number>();
    for (const [n, plan] of plans.entries()) {
      const pieces = blend.pieces(lineup, n === 0, { signal, onProgress: partOf(options.onProgress, n, plans.length) });
      const tensors = new MergedTensors(pieces, copied, n === 0 ? audit : null, startDigest, signal);
      try {
        await output.write(`${ONNX_FOLDER}/${plan.fileName}`, plan.model.length, [plan.model]);
        for (const file of plan.dataFiles) {
          const bytes = dataFileBytes(
            file,
            ({ name }) => tensors.read(name),
            ({ name }, count) => {
              overflowed.set(name, count);
            },
          );
          await output.write(`${ONNX_FOLDER}/${file.location}`, file.sizeBytes, bytes);
        }
        await tensors.readRest();
      } finally {
        await pieces.return(undefined);
      }
    }
    if (overflowed.size > 0) audit.note(overflow(overflowed));
    for (const [name, file] of files.binaries) await output.write(name, file.size, chunksOf(file));
    for (const [name, text] of texts) await output.writeText(name, text);
    await output.writeText(CARD_FILE, modelCard({ ...files.card, audit: audit.report() }));
    const report = audit.report();
    await output.writeText(AUDIT_FILE, `${JSON.stringify(report, null, 1)}\n`);
    throwIfCancelled(signal);
    await folder.finish();
    return { files: output.files, audit: report };
  } catch (error) {
    throw await abandon(folder, error);
  }
}

/** The tokenizer of tokenizer.model where there is no tokenizer.json; null where it cannot be read, which is warned of. */
async function sentencePieceOf({ texts, binaries }: FilePlan): Promise<TokenizerFiles | null> {
  const file = binaries.get('tokenizer.model');
  if (!file || texts.has('tokenizer.json')) return null;
  try {
    return await readSentencePiece(file);
  } catch (thrown) {
    if (thrown instanceof UnsupportedFault || thrown instanceof MalformedFault) return null;
    throw thrown;
  }
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

/** Progress of one of several passes over the same bytes, told as progress of all. */
function partOf(
  onProgress: WorkOptions['onProgress'],
  pass: number,
  passes: number,
): ((progress: Progress) => void) | undefined {
  if (!onProgress) return undefined;
  return (progress) => {
    const { bytesTotal, bytesPerSecond, secondsLeft } = progress;
    const later = (passes - pass - 1) * bytesTotal;
    onProgress({
      ...progress,
      bytesDone: progress.bytesDone + pass * bytesTotal,
      bytesTotal: bytesTotal * passes,
      secondsLeft: secondsLeft === null || bytesPerSecond <= 0 ? null : secondsLeft + later / bytesPerSecond,
    });
  };
}

/** What a person should know of the files before they are used. */
function warnings(
  architecture: Architecture,
  dtypes: readonly OnnxDtype[],
  texts: ReadonlyMap<string, string>,
): AuditFinding[] {
  const found: AuditFinding[] = [];
  const warn = (code: AuditFinding['code'], message: string) =>
    found.push({ severity: 'warning', code, message, tensors: [], tensorCount: 0 });
  if (dtypes.includes('fp16') && architecture.modelType.startsWith('gemma')) {
    warn(
      'half-range',
      'The fp16 model computes in half precision, in which Gemma’s hidden states are known to overflow: it may write nonsense. Use fp32, q8 or q4, which compute in float32.',
    );
  }
  if (!texts.has('tokenizer.json')) {
    warn(
      'no-tokenizer',
      'The folder has no tokenizer.json, without which transformers.js reads no text. Add the file that belongs to the model.',
    );
  }
  return found;
}

function overflow(overflowed: ReadonlyMap<string, number>): AuditFinding {
  const names = [...overflowed].sort(([, a], [, b]) => b - a).map(([name]) => name);
  const count = [...overflowed.values()].reduce((sum, own) => sum + own, 0);
  return {
    severity: 'warning',
    code: 'half-range',
    message: `The fp16 model holds ${count} infinite ${count === 1 ? 'value' : 'values'} that are finite in the merge, such as in ${names[0]}: float16 ends at 65,504. Use fp32, q8 or q4.`,
    tensors: names.slice(0, 24),
    tensorCount: names.length,
  };
}
