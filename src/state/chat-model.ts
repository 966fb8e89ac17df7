/**
 * ChatModel: what chat is told of a merge's result or of a checkpoint beside its weights: config, tokenizer and template
 * as a save would write them, and the architecture that they describe. Not the weights (`merge/blend.ts`) and not how
 * they are held (`chat-plan.ts`).
 */

import { Fault, MalformedFault, MismatchFault, MissingFault } from '../bytes/fault.ts';
import type { Bytes } from '../bytes/bytes.ts';
import {
  type Architecture,
  describeArchitecture,
  parametersOf,
  requiredTensors,
  type WeightInput,
} from '../chat/architecture.ts';
import { hasTokenizer } from '../chat/tokenizer-files.ts';
import type { Checkpoint, ModelConfig, SideFiles } from '../formats/checkpoint.ts';
import { check } from '../merge/check.ts';
import type { Lineup } from '../merge/lineup.ts';
import { sideFilesOf } from '../merge/output-files.ts';

/** A model that can be talked to. */
export interface ChatModel {
  readonly lineup: Lineup;
  readonly config: ModelConfig | null;
  readonly sideFiles: SideFiles;
  readonly binarySideFiles: ReadonlyMap<string, Bytes> | undefined;
  readonly architecture: Architecture;
  /** The tensors that chat reads. */
  readonly weights: readonly WeightInput[];
  /** Numbers in them. */
  readonly parameters: number;
}

const models = new WeakMap<Lineup, ChatModel | Fault>();

/**
 * What chat needs to know of a lineup's result.
 * @throws UnsupportedFault or MissingFault, saying why it cannot be talked to.
 */
export function chatModelOf(lineup: Lineup): ChatModel {
  let made = models.get(lineup);
  if (!made) {
    try {
      made = read(lineup);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      made = thrown;
    }
    models.set(lineup, made);
  }
  if (made instanceof Fault) throw made;
  return made;
}

function read(lineup: Lineup): ChatModel {
  const files = filesOf(lineup);
  // Copied tensors are not among the live weights.
  const architecture = describeArchitecture(
    files.config,
    lineup.tensors.map(({ name }) => name),
  );
  // A tokenizer that the merge made is sound.
  const broken = lineup.changes.files === null ? brokenTokenizer(lineup.donor) : null;
  if (broken !== null) throw new MalformedFault(broken);
  if (!canTokenize(files)) throw new MissingFault(noTokenizer(lineup.donor.name));
  const weights = requiredTensors(architecture);
  return { lineup, ...files, architecture, weights, parameters: parametersOf(weights) };
}

/** The donor's own files where nothing about them changes, so that what is open once is read once. */
function filesOf(lineup: Lineup): Pick<ChatModel, 'config' | 'sideFiles' | 'binarySideFiles'> {
  const { donor } = lineup;
  if (!changesFiles(lineup)) {
    return { config: donor.config, sideFiles: donor.sideFiles, binarySideFiles: donor.binarySideFiles };
  }
  const { texts, binaries } = sideFilesOf(lineup);
  const config = texts.get('config.json');
  return {
    config: config === undefined ? donor.config : (JSON.parse(config) as ModelConfig),
    sideFiles: texts,
    binarySideFiles: binaries,
  };
}

/** Whether the result's files beside the weights differ from the donor's in more than the dtype. */
function changesFiles({ changes, recipe }: Lineup): boolean {
  const { restacked, vocabularyRows, isTied, movedTokens, files } = changes;
  return (
    restacked.length > 0 ||
    vocabularyRows !== null ||
    isTied !== null ||
    movedTokens.size > 0 ||
    files !== null ||
    recipe.chatTemplate !== undefined
  );
}

/** Whether there is a tokenizer that chat reads. */
export function canTokenize({ sideFiles, binarySideFiles }: Pick<ChatModel, 'sideFiles' | 'binarySideFiles'>): boolean {
  return hasTokenizer(sideFiles, binarySideFiles?.keys() ?? []);
}

/** What to say of a tokenizer.json that is no sound JSON; null of any other. */
export function brokenTokenizer({ brokenSideFiles }: Pick<Checkpoint, 'brokenSideFiles'>): string | null {
  const broken = brokenSideFiles?.get('tokenizer.json');
  return broken === undefined ? null : `This model can be merged and saved, but not chatted with: ${broken}`;
}

/** What to say where there is none. */
export function noTokenizer(name: string): string {
  return `${name} has no tokenizer beside its weights (tokenizer.json, or vocab.json with merges.txt, or tokenizer.model), so it can be merged and saved but not talked to; add the whole folder.`;
}

const alone = new WeakMap<Checkpoint, Lineup>();

/**
 * A checkpoint as a lineup: a linear merge of it alone, so that it is loaded by the merge's own path.
 * @throws MismatchFault where it cannot be read so.
 */
export function lineupOf(checkpoint: Checkpoint): Lineup {
  const known = alone.get(checkpoint);
  if (known) return known;
  const models = [{ model: checkpoint.name, parameters: {} }];
  const recipe = { method: 'linear', base: null, models, parameters: {}, outDtype: null };
  const { lineup, findings } = check(recipe, () => checkpoint);
  if (!lineup) {
    const error = findings.find((found) => found.severity === 'error');
    throw new MismatchFault(error?.message ?? `${checkpoint.name} cannot be read.`);
  }
  alone.set(checkpoint, lineup);
  return lineup;
}
