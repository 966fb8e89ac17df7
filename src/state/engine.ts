/**
 * Engine: the EngineApi itself. One place owns the GPU device, the open checkpoints, the live blend and the chat,
 * and keeps their order: merge work runs one at a time, a newer blend takes the place of an older one, and no reply
 * reads weights that are being written. Not the worker around it (`engine.worker.ts`), not the page's end.
 */

import { DeviceFault, MismatchFault, MissingFault } from '../bytes/fault.ts';
import { fileBytes } from '../bytes/file-bytes.ts';
import { pickedFolder } from '../bytes/handle-folder.ts';
import { Prompter } from '../chat/prompter.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoints, type GivenFile } from '../formats/open.ts';
import { gpuHere, openDevice, type Device } from '../gpu/device.ts';
import { check, type Check } from '../merge/check.ts';
import { CpuArithmetic, type KernelThread } from '../merge/cpu-arithmetic.ts';
import { GpuArithmetic } from '../merge/gpu-arithmetic.ts';
import type { Lineup } from '../merge/lineup.ts';
import { save } from '../merge/save.ts';
import { surveyRecipe } from '../merge/surveying.ts';
import type { OpenStage } from '../merge/stage.ts';
import { STAGE_SHARE, stagesAt } from '../merge/stage-runs.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { version } from '../../package.json';
import { openArchive, sweepArchives } from './archive.ts';
import { chatModelOf, lineupOf } from './chat-model.ts';
import { capacityTokensFor } from './chat-plan.ts';
import { summarise } from './checkpoint-summary.ts';
import type {
  BlendReport,
  ChangeHistogram,
  CheckReport,
  EngineApi,
  EngineInfo,
  MemoryUse,
  MapDetail,
  PlanSummary,
  PrecisionChoice,
  Progress,
  PromptInfo,
  PromptRequest,
  SaveFormat,
  SaveReport,
  SaveTarget,
  SayEvent,
  SayOutcome,
  SayRequest,
  ScoreOutcome,
  Speaker,
  SpeakerInfo,
  Survey,
  WeightsMap,
} from './engine-api.ts';
import { saveOnnx } from './onnx-save.ts';
import { continuesPick, isLoose } from './picking.ts';
import { RecentChecks } from './recent-checks.ts';
import { type ReadySpeaker, Replies } from './replies.ts';
import { Saver } from './saver.ts';
import { type BlendPlan, type ReadyOptions, Speakers, type Wanted } from './speakers.ts';
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
  #precision: PrecisionChoice = 'auto';
  readonly #checks = new RecentChecks();
  readonly #turns = new Turns();
  /** By the files beside the weights: reading a large tokenizer takes its time. */
  readonly #prompters = new WeakMap<object, Promise<Prompter>>();
  readonly #replies = new Replies({
    inTurn: (work) => this.#inTurn('stay', work),
    ready: async (speaker, options) => this.#ready(speaker, await this.#open(), options),
  });

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
    place.speakers.budgetBytes = this.#budgetBytes;
    return this.#info(place);
  }

  async setPrecision(precision: PrecisionChoice): Promise<EngineInfo> {
    const place = await this.#open();
    this.#precision = precision;
    place.speakers.choice = precision;
    return this.#info(place);
  }

  async memory(): Promise<MemoryUse> {
    const { speakers } = await this.#open();
    const { bytes, blend } = speakers;
    const mergeBytes = (blend.live?.bytes ?? 0) + blend.sourceBytes;
    return { mergeBytes, chatBytes: Math.max(0, bytes - mergeBytes) };
  }

  #info(place: Place): EngineInfo {
    const { maxBudgetBytes } = BUDGETS[place.kind];
    return {
      ...place.info,
      budgetBytes: place.speakers.budgetBytes,
      maxBudgetBytes,
      precision: this.#precision,
      ...(place.saver ? { savesOn: 'cpu' } : {}),
    };
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
      reason = `${error.message} Merging and chat run on the CPU, which is slower.`;
    }
    const arithmetic = device ? new GpuArithmetic(device) : new CpuArithmetic(this.#surroundings.startKernelWorkers());
    const info = { place: device ? ('gpu' as const) : ('cpu' as const), reason };
    const kind = device?.isSoftware ? 'software' : info.place;
    const budgetBytes = this.#budgetBytes ?? BUDGETS[kind].budgetBytes;
    const saver = device?.isSoftware ? new Saver(this.#surroundings.startKernelWorkers) : null;
    const speakers = new Speakers(arithmetic, { budgetBytes, choice: this.#precision });
    const stages = stagesAt(
      () => arithmetic,
      () => speakers.budgetBytes * STAGE_SHARE,
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
    this.#checks.forget();
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
    this.#checks.forget();
    if (this.#picked.names.includes(name)) this.#picked = NOTHING_PICKED;
    const place = await this.#open();
    await this.#inTurn('weigh', async () => {
      place.saver?.forget(checkpoint);
      await place.speakers.forget(checkpoint);
    });
  }

  #find(model: string): Checkpoint | undefined {
    const last = model.replace(/\/+$/, '').split('/').pop();
    return this.#checkpoints.find((own) => own.name === model) ?? this.#checkpoints.find((own) => own.name === last);
  }

  #check(recipeText: string, stages: OpenStage): Check {
    return this.#checked(`merge ${recipeText}`, stages, () => parseRecipe(recipeText));
  }

  #checked(key: string, stages: OpenStage, recipeOf: () => Recipe): Check {
    const make = () => check(recipeOf(), (model) => this.#find(model), stages);
    return this.#checks.of(key, [this.#checkpoints, stages], make);
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
      plan: lineup ? summarisePlan(place.speakers.plan(lineup), place.speakers.blend.bytesPerSecond) : null,
    };
  }

  async tensors(recipeText: string): Promise<readonly string[]> {
    const { stages } = await this.#open();
    return this.#lineUp(recipeText, stages).tensors.map(({ name }) => name);
  }

  weigh(
    recipeText: string,
    onProgress: (progress: Progress) => void,
    detail: MapDetail = 'modules',
  ): Promise<WeightsMap> {
    return this.#inTurn('weigh', async (signal, { speakers, stages }) => {
      const lineup = this.#lineUp(recipeText, stages);
      // As the blend that follows is planned, so that it finds what this one read.
      speakers.plan(lineup);
      return speakers.blend.map(lineup, { signal, onProgress }, { detail, written: parseRecipe(recipeText) });
    });
  }

  /** What is surveyed: the recipe's checkpoints, or the recipe's own lineup where that names no base. */
  #surveyed(recipeText: string, stages: OpenStage): Lineup {
    const recipe = surveyRecipe(parseRecipe(recipeText));
    // The same for every weight: it is known by what it surveys.
    const { lineup } = recipe
      ? this.#checked(`survey ${JSON.stringify(recipe)}`, stages, () => recipe)
      : { lineup: null };
    return lineup ?? this.#lineUp(recipeText, stages);
  }

  async survey(recipeText: string, onProgress: (progress: Progress) => void): Promise<Survey> {
    const { speakers, stages } = await this.#open();
    const known = this.#surveyed(recipeText, stages);
    // What is known already waits for nobody.
    if (!speakers.blend.isSurveyDue(known)) return speakers.blend.survey(known);
    return this.#inTurn('survey', async (signal, place) => {
      const lineup = this.#surveyed(recipeText, place.stages);
      place.speakers.plan(lineup);
      return place.speakers.blend.survey(lineup, { signal, onProgress });
    });
  }

  async histogram(recipeText: string, tensor: string | null): Promise<ChangeHistogram> {
    const { speakers, stages } = await this.#open();
    const lineup = this.#surveyed(recipeText, stages);
    const found = speakers.blend.histogram(lineup, tensor);
    if (found) return found;
    if (!lineup.tensors.some(({ hasBase }) => hasBase)) {
      throw new MissingFault('This recipe names no base, so there are no changes to count.');
    }
    throw new MissingFault(
      tensor === null
        ? 'No change was measured yet; measure the models first.'
        : `The changes of ${tensor} were not measured; it has no base, or holds NaN or infinity.`,
    );
  }

  blend(recipeText: string, onProgress: (progress: Progress) => void): Promise<BlendReport> {
    return this.#inTurn('blend', async (signal, { speakers, stages }) => {
      const lineup = this.#lineUp(recipeText, stages);
      const result = await speakers.write(lineup, { signal, onProgress });
      this.#blended = lineup;
      this.#blendNumber += 1;
      return {
        blend: this.#blendNumber,
        measureMs: result.measureMs,
        blendMs: result.blendMs,
        tensors: result.tensors,
        rewritten: result.rewritten,
        bytes: result.bytes,
        chatObstacle: speakers.obstacle(lineup),
        nonFinite: counted(result.nonFinite),
      };
    });
  }

  save(
    recipeText: string,
    options: {
      readonly name: string;
      readonly target: SaveTarget;
      readonly maxShardBytes: number;
      readonly format?: SaveFormat;
    },
    onProgress: (progress: Progress) => void,
  ): Promise<SaveReport> {
    return this.#inTurn('stay', async (signal, { info, speakers, saver, stages }) => {
      const start = performance.now();
      const lineup = this.#lineUp(recipeText, saver?.stages ?? stages);
      const { name, target, maxShardBytes, format } = options;
      const archive = target.kind === 'zip' ? await openArchive(name) : null;
      const picked = target.kind === 'folder' ? await pickedFolder(target.handle, name) : null;
      const folder = archive?.folder ?? picked?.folder;
      if (!folder) throw new Error('a save goes to a zip or to a folder');
      if (!saver) speakers.plan(lineup);
      const blend = saver?.blend(speakers.budgetBytes) ?? speakers.blend;
      const saving = { signal, onProgress, name, recipeText, version };
      const saved =
        format?.kind === 'onnx'
          ? await saveOnnx(blend, lineup, folder, { ...saving, dtypes: format.dtypes })
          : await save(blend, lineup, folder, { ...saving, maxShardBytes });
      return {
        files: saved.files,
        bytes: saved.files.reduce((sum, file) => sum + file.bytes, 0),
        milliseconds: performance.now() - start,
        place: saver ? 'cpu' : info.place,
        audit: saved.audit,
        archive: archive ? await archive.file() : null,
        within: picked?.within ?? null,
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
    const { info } = await this.#inTurn('stay', async (signal, place) => {
      const ready = await this.#ready(speaker, place, { signal, keepsSpeaking: false });
      if (!ready?.voice.info) throw new Error('a speaker is ready and has no chat');
      return { info: ready.voice.info };
    });
    return info;
  }

  /** Makes a speaker ready; null where there is no room beside those who are speaking. */
  async #ready(speaker: Speaker, place: Place, options: ReadyOptions): Promise<ReadySpeaker | null> {
    const { speakers } = place;
    if (speaker.kind === 'blend') {
      const live = await speakers.readyLive(this.#blended, options);
      return live && { voice: live, blend: this.#blendNumber };
    }
    const voice = await speakers.ready(this.#wanted(speaker, place), options);
    return voice && { voice, blend: null };
  }

  #wanted(speaker: Exclude<Speaker, { kind: 'blend' }>, { stages }: Place): Wanted {
    if (speaker.kind === 'recipe') {
      return { key: speaker.text, name: speaker.label, lineup: this.#lineUp(speaker.text, stages) };
    }
    const checkpoint = this.#find(speaker.name);
    if (!checkpoint) throw new MissingFault(`${speaker.name} is not open any more; add it again.`);
    return { key: checkpoint, name: checkpoint.name, lineup: lineupOf(checkpoint) };
  }

  async prompt({ speaker, messages, mode, template }: PromptRequest): Promise<PromptInfo> {
    const place = await this.#open();
    if (speaker.kind === 'blend' && !this.#blended) {
      throw new MissingFault('There is no merged model yet; merge first.');
    }
    const wanted = speaker.kind === 'blend' ? null : this.#wanted(speaker, place);
    const lineup = wanted?.lineup ?? this.#blended;
    if (!lineup) throw new Error('a speaker without a lineup');
    const { architecture, sideFiles, binarySideFiles } = chatModelOf(lineup);
    let opening = this.#prompters.get(sideFiles);
    if (!opening) {
      opening = Prompter.open({ sideFiles, binarySideFiles, architecture, contextTokens: architecture.contextTokens });
      this.#prompters.set(sideFiles, opening);
    }
    const prompter = await opening;
    const contextTokens =
      place.speakers.contextTokens(wanted?.key ?? null) ?? capacityTokensFor(architecture, place.speakers.budgetBytes);
    return prompter.withContext(contextTokens).info({ messages, mode, template });
  }

  say(requests: readonly SayRequest[], onEvent: (event: SayEvent) => void): Promise<readonly SayOutcome[]> {
    return this.#replies.say(requests, onEvent);
  }

  async stop(column?: number): Promise<void> {
    await this.#replies.stop(column);
  }

  score(
    speakers: readonly Speaker[],
    text: string,
    onProgress: (column: number, tokensDone: number, tokens: number) => void,
  ): Promise<readonly ScoreOutcome[]> {
    return this.#replies.score(speakers, text, onProgress);
  }
}

function summarisePlan({ plan, held }: BlendPlan, bytesPerSecond: number | null): PlanSummary {
  return {
    chat: held && { precision: held.plan.precision, reason: held.plan.reason, bytes: plan.chatBytes },
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
