/**
 * Merge: the command `fusewright merge`: opens, checks, plans and writes with the same engine as the page. It
 * decides nothing about merging itself; its own is what is said and when.
 */

import { resolve, basename } from 'node:path';
import { version } from '../../package.json';
import { MismatchFault } from '../bytes/fault.ts';
import { nodeBytes } from '../bytes/node-bytes.ts';
import { nodeDigest } from '../bytes/node-digest.ts';
import { nodeFolder, requireFree } from '../bytes/node-folder.ts';
import { readText } from '../formats/side-files.ts';
import { Blend } from '../merge/blend.ts';
import { check } from '../merge/check.ts';
import type { Finding } from '../merge/finding.ts';
import type { Lineup } from '../merge/lineup.ts';
import type { Plan } from '../merge/plan.ts';
import { planFiles } from '../merge/output-files.ts';
import type { Progress } from '../merge/progress.ts';
import { save, type Saved } from '../merge/save.ts';
import type { AuditReport } from '../merge/audit.ts';
import { STAGE_SHARE, stagesAt } from '../merge/stage-runs.ts';
import { isPooled, unitOf } from '../merge/weights.ts';
import { diagnoseRecipe, faultOf } from '../recipe/yaml.ts';
import { bytesFigure, plural, timeFigure } from '../state/figures.ts';
import { type OnnxSavePlan, planOnnxSave, saveOnnx } from '../state/onnx-save.ts';
import type { MergeCommand } from './arguments.ts';
import type { Place } from './device.ts';
import { openSources } from './sources.ts';
import type { Terminal } from './terminal.ts';

/** What the command needs from its surroundings. */
export interface MergeSurroundings {
  /** For results. */
  readonly out: Terminal;
  /** For progress, notes and warnings. */
  readonly log: Terminal;
  readonly openPlace: (choice: MergeCommand['device']) => Promise<Place>;
  readonly signal: AbortSignal;
}

/**
 * Runs the command. Throws the Fault that refuses it, CancelledFault where it was stopped.
 * @returns what the audit of the written merge came to; null where nothing was to be written.
 */
export async function merge(
  command: MergeCommand,
  surroundings: MergeSurroundings,
): Promise<AuditReport['verdict'] | null> {
  const { out, log, signal } = surroundings;
  const recipeText = await readRecipe(command.recipe);
  const { recipe, problems } = diagnoseRecipe(recipeText);
  if (recipe === null) {
    if (command.isDryRun) for (const { line, message } of problems) out.line(`error: line ${line}: ${message}`);
    throw faultOf(problems);
  }
  if (command.output !== null) await requireFree(resolve(command.output), command.output);
  const sources = await openSources(recipe, command.recipe);
  let place: Place | null = null;
  const placeNow = (): Place => {
    if (!place) throw new Error('a stage was read before there was a place to merge it');
    return place;
  };
  const stages = stagesAt(
    () => placeNow().arithmetic,
    () => (command.budgetBytes ?? placeNow().budgetBytes) * STAGE_SHARE,
  );
  try {
    const { findings, lineup } = check(recipe, sources.find, stages);
    if (command.isDryRun) for (const found of findings) out.line(findingText(found));
    if (!lineup) throw refusal(findings);
    if (!command.isDryRun) {
      for (const found of findings) {
        if (found.severity === 'warning' || !command.isQuiet) log.line(findingText(found));
      }
    }
    place = await surroundings.openPlace(command.device);
    const blend = new Blend(place.arithmetic, {
      budgetBytes: command.budgetBytes ?? place.budgetBytes,
      // Only a second pass has a use for them.
      keepsSources: lineup.tensors.some((tensor) => isPooled(unitOf(lineup, tensor))),
    });
    const { onnx } = command;
    const options = {
      name: command.output === null ? 'merge' : basename(resolve(command.output)),
      recipeText,
      maxShardBytes: command.maxShardBytes,
      version,
    };
    if (command.isDryRun) {
      const plan = blend.plan(lineup);
      const writing = onnx
        ? onnxWriting(planOnnxSave(lineup, { ...options, dtypes: onnx }))
        : `${bytesFigure(plan.writeBytes)} as ${plan.out} in ${plural(planFiles(lineup, options).shards.shards.length, 'weight file')}`;
      for (const line of planLines(lineup, plan, writing, blend.budgetBytes, place)) out.line(line);
      return null;
    }
    if (!command.isQuiet) log.line(place.reason);
    const started = performance.now();
    const folder = await nodeFolder(command.output ?? '');
    const saving = {
      ...options,
      startDigest: nodeDigest,
      signal,
      onProgress: (progress: Progress) => {
        if (!command.isQuiet) log.progress(progress);
      },
    };
    const saved = onnx
      ? await saveOnnx(blend, lineup, folder, { ...saving, dtypes: onnx })
      : await save(blend, lineup, folder, saving);
    log.clear();
    for (const line of auditLines(saved.audit)) log.line(line);
    if (!command.isQuiet) out.line(summary(saved, command.output ?? '', performance.now() - started, place));
    return saved.audit.verdict;
  } finally {
    log.clear();
    place?.dispose();
    await sources.close();
  }
}

async function readRecipe(path: string): Promise<string> {
  const bytes = await nodeBytes(path);
  try {
    return await readText(bytes);
  } finally {
    await bytes.close();
  }
}

/** The first thing that stands against the merge; the rest is counted. */
function refusal(findings: readonly Finding[]): MismatchFault {
  const errors = findings.filter((found) => found.severity === 'error');
  const [first] = errors;
  const more = errors.length > 1 ? ` (${plural(errors.length - 1, 'more problem')}: --dry-run shows all.)` : '';
  return new MismatchFault(`${first?.message ?? 'These checkpoints cannot be merged.'}${more}`, {
    tensors: first?.tensors ?? [],
  });
}

function findingText({ severity, message }: Finding): string {
  return `${severity}: ${message}`;
}

/** `1.1 GB as ONNX q8 in 2 files`. */
function onnxWriting({ plans, weightBytes }: OnnxSavePlan): string {
  const files = plans.reduce((sum, { dataFiles }) => sum + 1 + dataFiles.length, 0);
  return `${bytesFigure(weightBytes)} as ONNX ${plans.map(({ dtype }) => dtype).join(', ')} in ${plural(files, 'file')}`;
}

function planLines(lineup: Lineup, plan: Plan, writing: string, budgetBytes: number, place: Place): string[] {
  const isOnce = plan.mode === 'resident' || plan.totalReadBytes <= plan.readBytes;
  const reading = isOnce ? 'once' : `${bytesFigure(plan.totalReadBytes)} in all, since some of it is read again`;
  const copied = plan.copiedTensors > 0 ? `, ${plan.copiedTensors} copied` : '';
  const base = lineup.base ? ` on ${lineup.base.name}` : '';
  const stages = lineup.recipe.stages ?? [];
  return [
    ...stages.map((stage) => `stage: ${stage.name ?? ''} by ${stage.method}, merged as it is read`),
    `method: ${lineup.method.name} of ${plural(lineup.models.length, 'model')}${base}`,
    `tensors: ${plan.mergedTensors} blended${copied}`,
    ...lineup.changes.restacked.map(
      ({ stack, origins, donorLayers }) =>
        `layers: ${origins.length} in ${stack}, of which ${lineup.donor.name} has ${donorLayers}`,
    ),
    ...(lineup.changes.vocabularyRows === null ? [] : [`token rows: ${lineup.changes.vocabularyRows}`]),
    `reads: ${bytesFigure(plan.readBytes)}, ${reading}`,
    `writes: ${writing}`,
    `memory: at most ${bytesFigure(plan.liveBytes)} of ${bytesFigure(budgetBytes)}`,
    `runs: ${place.reason}`,
  ];
}

/** What the audit found, loudly. */
function auditLines({ findings }: AuditReport): string[] {
  return findings.map(({ message }) => `WARNING: ${message.charAt(0).toLowerCase()}${message.slice(1)}`);
}

function summary(saved: Saved, output: string, milliseconds: number, place: Place): string {
  const bytes = saved.files.reduce((sum, file) => sum + file.bytes, 0);
  const where = place.arithmetic.place === 'gpu' ? 'on the GPU' : 'on the CPU';
  return `Wrote ${plural(saved.files.length, 'file')}, ${bytesFigure(bytes)}, to ${output} in ${timeFigure(milliseconds)} ${where}.`;
}
