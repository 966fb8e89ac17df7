/**
 * Arguments: what was typed after `fusewright`, judged and turned into a command. Not what the command does.
 */

import { parseArgs } from 'node:util';
import { UnsupportedFault } from '../bytes/fault.ts';
import { ONNX_DTYPES, type OnnxDtype } from '../chat/export.ts';
import { DEFAULT_SHARD_BYTES } from '../formats/safetensors-writer.ts';
import type { DeviceChoice } from './device.ts';

/** Merge a recipe into a folder. */
export interface MergeCommand {
  readonly kind: 'merge';
  /** Path of the recipe. */
  readonly recipe: string;
  /** Path of the folder to make; null only with `isDryRun`. */
  readonly output: string | null;
  readonly device: DeviceChoice;
  readonly isDryRun: boolean;
  readonly isQuiet: boolean;
  readonly maxShardBytes: number;
  /** Write ONNX in these dtypes, at least one, instead of safetensors; null for safetensors. */
  readonly onnx: readonly OnnxDtype[] | null;
  /** Most bytes that merging may hold; null for the place's own default. */
  readonly budgetBytes: number | null;
}

export type Command = MergeCommand | { readonly kind: 'help' } | { readonly kind: 'version' };

/** What `--help` prints. */
export const HELP = `Fusewright merges language models by a recipe.

Usage:
  fusewright merge <recipe.yml> <out-dir> [options]

The recipe is mergekit's YAML; models' paths in it are relative to the recipe's own folder. <out-dir> must be new or
empty. It becomes a Hugging Face folder with the recipe and a model card, all at once at the end. Nothing is downloaded.

Options:
  --device auto|gpu|cpu   auto (default): a graphics card where WebGPU finds one, else all CPU cores
  --dry-run               check and plan only: reads headers and no weight, writes nothing; <out-dir> may be left out
  --max-shard-size SIZE   most bytes of tensors in one file: 5GB (default), 500MB, 2GiB, or a number of bytes
  --onnx DTYPE[,DTYPE...] write ONNX as transformers.js loads it, in fp32, fp16, q8 or q4, instead of safetensors
  --memory SIZE           most bytes that merging may hold (default: 2GiB on a GPU, 512MiB on the CPU)
  --quiet                 errors and warnings only
  --version, --help

Ctrl-C stops a merge and leaves nothing. Every merge is audited as it is written, and fusewright-audit.json says what
was found; WARNING lines tell of it. The exit code is 0 where the merge (or the dry run) came through, 1 where it was
refused or failed, with the reason in one line, 3 where it was written and failed its audit (NaN, infinity; the files
stay), and 130 where it was stopped.
`;

const MORE = "'fusewright --help' lists what there is";

/** Decimal and binary units, as the Hub and mergekit write them. */
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** `5GB`, `1.5 GiB`, `4096`: bytes, at least one. Throws UnsupportedFault naming the option where it is none. */
export function parseSize(text: string, option: string): number {
  const [, figure, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const scale = SIZE_UNITS[unit.toLowerCase()];
  const bytes = figure === undefined || scale === undefined ? Number.NaN : Math.floor(Number(figure) * scale);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new UnsupportedFault(`${option} is a size such as 5GB, 500MB or 2GiB, and '${text}' is none.`);
  }
  return bytes;
}

/** `q8` or `q8,fp32`: the dtypes, each once. Throws UnsupportedFault naming one that there is not. */
export function parseDtypes(text: string): OnnxDtype[] {
  const dtypes = text.split(',').map((word) => {
    const dtype = ONNX_DTYPES.find((own) => own === word.trim());
    if (dtype === undefined) {
      throw new UnsupportedFault(
        `--onnx is a list such as q8 or q8,fp32 of ${ONNX_DTYPES.join(', ')}, and '${word}' is none of them.`,
      );
    }
    return dtype;
  });
  return [...new Set(dtypes)];
}

function parseDevice(text: string): DeviceChoice {
  if (text === 'auto' || text === 'gpu' || text === 'cpu') return text;
  throw new UnsupportedFault(`--device is auto, gpu or cpu, and '${text}' is none of them.`);
}

/** Reads the arguments. Throws UnsupportedFault with one sentence where they make no command. */
export function parseCommand(args: readonly string[]): Command {
  const { values, positionals } = read(args);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const [verb, recipe, output, extra] = positionals;
  if (verb === undefined) return { kind: 'help' };
  if (verb !== 'merge')
    throw new UnsupportedFault(`There is no command '${verb}'; it is 'fusewright merge <recipe.yml> <out-dir>'.`);
  const isDryRun = values['dry-run'] === true;
  if (recipe === undefined || (output === undefined && !isDryRun)) {
    const what = recipe === undefined ? 'a recipe and a folder to make' : 'a folder to make';
    throw new UnsupportedFault(`merge needs ${what}: 'fusewright merge <recipe.yml> <out-dir>'.`);
  }
  if (extra !== undefined) throw new UnsupportedFault(`merge takes a recipe and a folder; '${extra}' is one too many.`);
  const { device = 'auto', memory, onnx } = values;
  if (onnx !== undefined && values['max-shard-size'] !== undefined) {
    throw new UnsupportedFault('--max-shard-size cuts safetensors and does not go with --onnx; leave one of them out.');
  }
  return {
    kind: 'merge',
    recipe,
    output: output ?? null,
    device: parseDevice(device),
    isDryRun,
    isQuiet: values.quiet === true,
    maxShardBytes:
      values['max-shard-size'] === undefined
        ? DEFAULT_SHARD_BYTES
        : parseSize(values['max-shard-size'], '--max-shard-size'),
    onnx: onnx === undefined ? null : parseDtypes(onnx),
    budgetBytes: memory === undefined ? null : parseSize(memory, '--memory'),
  };
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        device: { type: 'string' },
        'dry-run': { type: 'boolean' },
        'max-shard-size': { type: 'string' },
        memory: { type: 'string' },
        onnx: { type: 'string' },
        quiet: { type: 'boolean', short: 'q' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('. ')[0] ?? '') : String(cause);
    throw new UnsupportedFault(`${reason.replace(/\.$/, '')}; ${MORE}.`);
  }
}
