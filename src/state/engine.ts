/**
 * Engine: the EngineApi itself. One place owns the GPU device, the open checkpoints, the live blend and the chat,
 * and keeps their order: merge work runs one at a time, a newer blend takes the place of an older one, and no reply
 * reads weights that are being written. Not the worker around it (`engine.worker.ts`), not the page's end.
 */

import { DeviceFault, MismatchFault, MissingFault } from '../bytes/fault.ts';
import { fileBytes } from '../bytes/file-bytes.ts';
import { handleFolder } from '../bytes/handle-folder.ts';
import type { Folder } from '../bytes/sink.ts';
import type { Chat } from '../chat/chat.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoints, type GivenFile } from '../formats/open.ts';
import { gpuHere, openDevice, type Device } from '../gpu/device.ts';
import { Blend } from '../merge/blend.ts';
import { check, type Check } from '../merge/check.ts';
import { CpuArithmetic, type KernelThread } from '../merge/cpu-arithmetic.ts';
import { GpuArithmetic } from '../merge/gpu-arithmetic.ts';
import type { Lineup } from '../merge/lineup.ts';
import type { Plan } from '../merge/plan.ts';
import { save } from '../merge/save.ts';
import type { OpenStage } from '../merge/stage.ts';
import { stagesAt } from '../merge/stage-runs.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { version } from '../../package.json';
import { openArchive, sweepArchives } from './archive.ts';
import { chatObstacle, summarise } from './checkpoint-summary.ts';
import type {
  BlendReport,
  CheckReport,
  EngineApi,
  EngineInfo,
  PlanSummary,
  Progress,
  Reply,
  SaveReport,
  SaveTarget,
  SayRequest,
  Speaker,
  SpeakerInfo,
  WeightsMap,
} from './engine-api.ts';
import { continuesPick, isLoose } from './picking.ts';
import { Speakers } from './speakers.ts';
import { Turns, type TurnKind } from './turns.ts';

const GIB = 2 ** 30;

/** What merging and chat may hold unless the user says otherwise, and the most that can be asked for. */
const BUDGETS = {
  gpu: { budgetBytes: 2 * GIB, maxBudgetBytes: 16 * GIB },
  // Its memory is the tab's own, and saving takes some beside it.
  software: { budgetBytes: 0.75 * GIB, maxBudgetBytes: 4 * GIB },
  cpu: { budgetBytes: GIB, maxBudgetBytes: 4 * GIB },
} as const;

/** How the engine meets the place that it runs in. */
export interface EngineSurroundings {
  /** WebGPU's entry point, or null. */
  readonly gpu: GPU | null;
  /** Starts the workers of the CPU path. */
  readonly startKernelWorkers: () => readonly KernelThread[];
}

/** Most bytes that saving on the CPU holds, beside what the live blend holds on a software adapter. */
const SAVER_BUDGET_BYTES = GIB / 4;

/** Where merging and chat happen now. */
interface Place {
  readonly info: { readonly place: 'gpu' | 'cpu'; readonly reason: string };
  readonly kind: keyof typeof BUDGETS;
  readonly speakers: Speakers;
  /** What saves where that is not the live blend's own place; null where it is. */
  readonly saver: Saver | null;
  /** Merges recipes whose results other recipes of the same text read. */
  readonly stages: OpenStage;
}

/** Share of the budget that a stage may hold beside the recipe that reads it. */
const STAGE_SHARE = 0.25;

/** What saving needs once it began. */
interface Saving {
  readonly arithmetic: CpuArithmetic;
  readonly blend: Blend;
}

/** A second blend, on the CPU, that only saves. Its threads start with the first save. */
class Saver {
  readonly #startKernelWorkers: EngineSurroundings['startKernelWorkers'];
  #open: Saving | null = null;

  constructor(startKernelWorkers: EngineSurroundings['startKernelWorkers']) {
    this.#startKernelWorkers = startKernelWorkers;
  }

  readonly stages = stagesAt(
    () => this.#opened().arithmetic,
    () => SAVER_BUDGET_BYTES * STAGE_SHARE,
  );

  #opened(): Saving {
    if (!this.#open) {
      const arithmetic = new CpuArithmetic(this.#startKernelWorkers());
      const blend = new Blend(arithmetic, { budgetBytes: SAVER_BUDGET_BYTES, keepsSources: false });
      this.#open = { arithmetic, blend };
    }
    return this.#open;
  }

  /** @param budgetBytes what the user allows altogether. */
  blend(budgetBytes: number): Blend {
    const { blend } = this.#opened();
    blend.budgetBytes = Math.min(budgetBytes, SAVER_BUDGET_BYTES);
    return blend;
  }

  forget(checkpoint: Checkpoint): void {
    this.#open?.blend.forget(checkpoint);
  }

  async dispose(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.blend.dispose();
    open?.arithmetic.dispose();
  }
}

/** Loose files that more may follow, the checkpoints that came of them, and what was said about those that broke. */
interface Picked {
  readonly files: readonly GivenFile[];
  readonly names: readonly string[];
  readonly faults: readonly string[];
}

const NOTHING_PICKED: Picked = { files: [], names: [], faults: [] };

/** The engine. */
export class Engine implements EngineApi {
  readonly #surroundings: EngineSurroundings;
  #checkpoints: readonly Checkpoint[] = [];
  /** Loose files of the last additions, and the checkpoints that came of them: more of them may follow. */
  #picked: Picked = NOTHING_PICKED;
  /** The additions that are running or waiting, in order. */
  #adding: Promise<unknown> = Promise.resolve();
  #place: Promise<Place> | null = null;
  /** The place once it is open. */
  #opened: Place | null = null;
  #budgetBytes: number | null = null;
  #blendNumber = 0;
  /** The lineup that the live blend was made from. */
  #blended: Lineup | null = null;
  /** The reply that was asked for last, from the moment of asking. */
  #asking: AbortController | null = null;
  readonly #turns = new Turns();

  constructor(surroundings: EngineSurroundings = { gpu: gpuHere(), startKernelWorkers: () => [] }) {
    this.#surroundings = surroundings;
  }

  async start(): Promise<EngineInfo> {
    await sweepArchives();
    return this.#info(await this.#open());
  }

  async setBudget(budgetBytes: number): Promise<EngineInfo> {
    const place = await this.#open();
    const { maxBudgetBytes } = BUDGETS[place.kind];
    this.#budgetBytes = Math.max(2 ** 20, Math.min(budgetBytes, maxBudgetBytes));
    place.speakers.blend.budgetBytes = this.#budgetBytes;
    return this.#info(place);
  }

  #info(place: Place): EngineInfo {
    const { maxBudgetBytes } = BUDGETS[place.kind];
    return { ...place.info, budgetBytes: place.speakers.blend.budgetBytes, maxBudgetBytes };
  }

  /** The place, opened on first use and again after the graphics device was lost. */
  #open(): Promise<Place> {
    this.#place ??= this.#openPlace();
    this.#place.catch(() => {
      this.#place = null;
    });
    return this.#place;
  }

  async #openPlace(): Promise<Place> {
    let device: Device | null = null;
    let reason: string;
    try {
      device = await openDevice(this.#surroundings.gpu);
      reason = device.isSoftware
        ? `WebGPU on a software adapter (${device.label}): right, but slow. Saving merges on the CPU, which is faster here.`
        : `WebGPU on ${device.label}.`;
    } catch (error) {
      if (!(error instanceof DeviceFault)) throw error;
      reason = `${error.message} Merging runs on the methods’ kernels as WebAssembly in workers, and chat on the CPU.`;
    }
    const arithmetic = device ? new GpuArithmetic(device) : new CpuArithmetic(this.#surroundings.startKernelWorkers());
    const info = { place: device ? ('gpu' as const) : ('cpu' as const), reason };
    const kind = device?.isSoftware ? 'software' : info.place;
    const budgetBytes = this.#budgetBytes ?? BUDGETS[kind].budgetBytes;
    const saver = device?.isSoftware ? new Saver(this.#surroundings.startKernelWorkers) : null;
    const speakers = new Speakers(arithmetic, budgetBytes);
    const stages = stagesAt(
      () => arithmetic,
      () => speakers.blend.budgetBytes * STAGE_SHARE,
    );
    const place: Place = { info, kind, speakers, saver, stages };
    device?.lost.then(() => this.#forgetPlace(place));
    this.#opened = place;
    return place;
  }

  /** After a lost device everything on it is gone; the next command opens another. */
  async #forgetPlace(place: Place): Promise<void> {
    if (this.#opened !== place) return;
    this.#opened = null;
    this.#place = null;
    this.#blended = null;
    await Promise.all([place.speakers.abandon(), place.saver?.dispose()]);
  }

  add(files: readonly { readonly path: string; readonly file: File }[]): ReturnType<EngineApi['add']> {
    // One after another: what is open decides names, and which model loose files belong to.
    const result = this.#adding.then(() => this.#add(files));
    this.#adding = result.catch(() => undefined);
    return result;
  }

  async #add(files: readonly { readonly path: string; readonly file: File }[]): ReturnType<EngineApi['add']> {
    const given = files.map(({ path, file }) => ({ path, bytes: fileBytes(file, path) }));
    const before = continuesPick(this.#picked.files, given) ? this.#picked : NOTHING_PICKED;
    const all = [...before.files, ...given];
    const others = this.#checkpoints.filter(({ name }) => !before.names.includes(name));
    const { checkpoints, faults } = await openCheckpoints(
      all,
      others.map(({ name }) => name),
    );
    // In a recipe "+" joins a LoRA and "@" a revision, as in mergekit; a name may have neither.
    const named = checkpoints.map((own) => ({ ...own, name: own.name.replace(/[+@]/g, '_') }));
    this.#checkpoints = [...others, ...named];
    const told = new Set(before.faults);
    const texts = faults.map(({ file, report }) => `${file}: ${report.message}`);
    this.#picked = all.every(isLoose)
      ? { files: all, names: named.map(({ name }) => name), faults: texts }
      : NOTHING_PICKED;
    return {
      added: named.map(summarise),
      faults: faults.filter((_, i) => !told.has(texts[i] ?? '')),
      settled: before.faults.filter((text) => !texts.includes(text)),
    };
  }

  async remove(name: string): Promise<void> {
    await this.#adding;
    const checkpoint = this.#checkpoints.find((own) => own.name === name);
    if (!checkpoint) return;
    this.#checkpoints = this.#checkpoints.filter((own) => own !== checkpoint);
    if (this.#picked.names.includes(name)) this.#picked = NOTHING_PICKED;
    const place = await this.#open();
    await this.#inTurn('weigh', async () => {
      place.speakers.blend.forget(checkpoint);
      place.saver?.forget(checkpoint);
      await place.speakers.letCheckpointGo(checkpoint);
    });
  }

  #find(model: string): Checkpoint | undefined {
    const last = model.replace(/\/+$/, '').split('/').pop();
    return this.#checkpoints.find((own) => own.name === model) ?? this.#checkpoints.find((own) => own.name === last);
  }

  #check(recipeText: string, stages: OpenStage): Check {
    return check(parseRecipe(recipeText), (model) => this.#find(model), stages);
  }

  /** The lineup of a recipe; throws the first thing that stands against it. */
  #lineUp(recipeText: string, stages: OpenStage): Lineup {
    const { findings, lineup } = this.#check(recipeText, stages);
    if (lineup) return lineup;
    const error = findings.find((found) => found.severity === 'error');
    throw new MismatchFault(error?.message ?? 'These checkpoints cannot be merged.', { tensors: error?.tensors ?? [] });
  }

  async check(recipeText: string): Promise<CheckReport> {
    const place = await this.#open();
    const { findings, lineup } = this.#check(recipeText, place.stages);
    return {
      findings,
      plan: lineup ? summarisePlan(place.speakers.blend.plan(lineup), place.speakers.blend.bytesPerSecond) : null,
    };
  }

  weigh(recipeText: string, onProgress: (progress: Progress) => void): Promise<WeightsMap> {
    return this.#inTurn('weigh', async (signal, place) =>
      place.speakers.blend.map(this.#lineUp(recipeText, place.stages), { signal, onProgress }),
    );
  }

  blend(recipeText: string, onProgress: (progress: Progress) => void): Promise<BlendReport> {
    return this.#inTurn('blend', async (signal, { speakers, stages }) => {
      const lineup = this.#lineUp(recipeText, stages);
      await speakers.hush('blend');
      const { liveBytes } = speakers.blend.plan(lineup);
      // A loaded checkpoint goes where the blend would not fit beside it.
      if (liveBytes + speakers.checkpointBytes > speakers.blend.budgetBytes) await speakers.letCheckpointGo();
      const result = await speakers.blend.blend(lineup, { signal, onProgress });
      this.#blended = lineup;
      this.#blendNumber += 1;
      return {
        blend: this.#blendNumber,
        measureMs: result.measureMs,
        blendMs: result.blendMs,
        tensors: result.tensors,
        rewritten: result.rewritten,
        bytes: result.bytes,
        chatObstacle: chatObstacle(lineup.donor),
        nonFinite: counted(result.nonFinite),
      };
    });
  }

  save(
    recipeText: string,
    options: { readonly name: string; readonly target: SaveTarget; readonly maxShardBytes: number },
    onProgress: (progress: Progress) => void,
  ): Promise<SaveReport> {
    return this.#inTurn('stay', async (signal, { info, speakers, saver, stages }) => {
      const start = performance.now();
      const lineup = this.#lineUp(recipeText, saver?.stages ?? stages);
      const { name, target, maxShardBytes } = options;
      const archive = target.kind === 'zip' ? await openArchive(name) : null;
      const folder = archive?.folder ?? (await folderIn((target as SaveTarget & { kind: 'folder' }).handle, name));
      const blend = saver?.blend(speakers.blend.budgetBytes) ?? speakers.blend;
      const saved = await save(blend, lineup, folder, {
        signal,
        onProgress,
        name,
        recipeText,
        maxShardBytes,
        version,
      });
      return {
        files: saved.files,
        bytes: saved.files.reduce((sum, file) => sum + file.bytes, 0),
        milliseconds: performance.now() - start,
        place: saver ? 'cpu' : info.place,
        audit: saved.audit,
        archive: archive ? await archive.file() : null,
      };
    });
  }

  /** Runs work in its turn, at the place as it is then. */
  #inTurn<T>(kind: TurnKind, work: (signal: AbortSignal, place: Place) => Promise<T>): Promise<T> {
    return this.#turns.take(kind, async (signal) => work(signal, await this.#open()));
  }

  async cancel(): Promise<void> {
    await this.#turns.cancel();
  }

  async talkTo(speaker: Speaker): Promise<SpeakerInfo> {
    const { info } = await this.#inTurn('stay', (signal, place) => this.#chatOf(speaker, place, signal));
    return {
      modelType: info.architecture.modelType,
      contextTokens: info.contextTokens,
      hasChatTemplate: info.hasTemplate,
      provider: info.provider,
    };
  }

  /** The open chat of a speaker; opens it first where needed. */
  async #chatOf(speaker: Speaker, { speakers }: Place, signal: AbortSignal): Promise<Chat> {
    if (speaker.kind === 'blend') return speakers.ofBlend(this.#blended?.donor ?? null, signal);
    const checkpoint = this.#find(speaker.name);
    if (!checkpoint) throw new MissingFault(`${speaker.name} is not open any more; add it again.`);
    return speakers.ofCheckpoint(checkpoint, signal);
  }

  async say(request: SayRequest, onText: (textSoFar: string) => void): Promise<Reply> {
    const stopped = this.stop();
    const asking = new AbortController();
    this.#asking = asking;
    await stopped;
    // The reply begins within its turn: merge work that comes next finds it, and waits until it has stopped.
    const { done } = await this.#inTurn('stay', async (signal, place) => {
      const chat = await this.#chatOf(request.speaker, place, signal);
      await place.speakers.hush();
      return place.speakers.begin(chat, request, asking, onText);
    });
    const blend = request.speaker.kind === 'blend' ? this.#blendNumber : null;
    return { ...(await done), blend };
  }

  async stop(): Promise<void> {
    this.#asking?.abort();
    await this.#opened?.speakers.hush();
  }
}

function summarisePlan(plan: Plan, bytesPerSecond: number | null): PlanSummary {
  return {
    mergedTensors: plan.mergedTensors,
    copiedTensors: plan.copiedTensors,
    readBytes: plan.readBytes,
    writeBytes: plan.writeBytes,
    liveBytes: plan.liveBytes,
    mode: plan.mode,
    seconds: bytesPerSecond === null ? null : plan.totalReadBytes / bytesPerSecond,
    outDtype: plan.out,
  };
}

function counted(nonFinite: ReadonlyMap<string, number>): { tensor: string; count: number }[] {
  return [...nonFinite].map(([tensor, count]) => ({ tensor, count }));
}

/** The picked directory itself where it is empty, else a new folder in it with the merge's name. */
async function folderIn(picked: FileSystemDirectoryHandle, name: string): Promise<Folder> {
  for await (const _ of picked.keys()) {
    return handleFolder(await picked.getDirectoryHandle(name, { create: true }));
  }
  return handleFolder(picked);
}
