/**
 * Engine: the EngineApi itself. One place owns the GPU device, the open checkpoints, the live blend and the chat,
 * and keeps their order: merge work runs one at a time, a newer blend takes the place of an older one, and no reply
 * reads weights that are being written. Not the worker around it (`engine.worker.ts`), not the page's end.
 */

import { BudgetFault, CancelledFault, DeviceFault, Fault, MismatchFault, MissingFault } from '../bytes/fault.ts';
import { fileBytes } from '../bytes/file-bytes.ts';
import { handleFolder } from '../bytes/handle-folder.ts';
import type { Folder } from '../bytes/sink.ts';
import { describeArchitecture } from '../chat/architecture.ts';
import { Chat, type Generated } from '../chat/chat.ts';
import type { ChatWeights } from '../chat/weights.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoints, type GivenFile } from '../formats/open.ts';
import { gpuHere, openDevice, type Device } from '../gpu/device.ts';
import type { Arithmetic } from '../merge/arithmetic.ts';
import { Blend, type WorkOptions } from '../merge/blend.ts';
import { check, type Check } from '../merge/check.ts';
import { CpuArithmetic, type ReferenceWorker } from '../merge/cpu-arithmetic.ts';
import { GpuArithmetic } from '../merge/gpu-arithmetic.ts';
import type { Lineup } from '../merge/lineup.ts';
import type { LiveWeights } from '../merge/live-weights.ts';
import type { Plan } from '../merge/plan.ts';
import { save } from '../merge/save.ts';
import { layerCountOf } from '../recipe/resolve.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { version } from '../../package.json';
import { openArchive, sweepArchives } from './archive.ts';
import { continuesPick, isLoose } from './picking.ts';
import type {
  BlendReport,
  CheckpointSummary,
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

const GIB = 2 ** 30;

/** What merging and chat may hold unless the user says otherwise, and the most that can be asked for. */
const BUDGETS = {
  gpu: { budgetBytes: 2 * GIB, maxBudgetBytes: 16 * GIB },
  cpu: { budgetBytes: GIB, maxBudgetBytes: 4 * GIB },
} as const;

/** How the engine meets the place that it runs in. */
export interface EngineSurroundings {
  /** WebGPU's entry point, or null. */
  readonly gpu: GPU | null;
  /** Starts the workers of the CPU path. */
  readonly startReferenceWorkers: () => readonly ReferenceWorker[];
}

/** Where merging and chat happen now. */
interface Place {
  readonly info: { readonly place: 'gpu' | 'cpu'; readonly reason: string };
  readonly arithmetic: Arithmetic;
  readonly device: Device | null;
  readonly blend: Blend;
  /** Live weights of the one source that is being talked to. */
  readonly solo: Blend;
}

/** A chat that is open, and over what. */
interface OpenChat {
  readonly chat: Chat;
  readonly weights: LiveWeights;
  readonly donor: Checkpoint;
}

/** A reply that is being written. */
interface Replying {
  readonly speaker: Speaker['kind'];
  readonly stop: AbortController;
  readonly done: Promise<unknown>;
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
  #place: Promise<Place> | null = null;
  /** The place once it is open. */
  #opened: Place | null = null;
  #budgetBytes: number | null = null;
  #blendNumber = 0;
  /** The lineup that the live blend was made from. */
  #blended: Lineup | null = null;
  #blendChat: OpenChat | null = null;
  #soloChat: (OpenChat & { readonly name: string }) | null = null;
  #replying: Replying | null = null;
  /** The merge work that is running or waiting, in order. */
  #work: Promise<unknown> = Promise.resolve();
  #running: { readonly kind: 'weigh' | 'blend' | 'save'; readonly abort: AbortController } | null = null;
  readonly #waiting = new Set<{ readonly kind: 'weigh' | 'blend' | 'save'; readonly abort: AbortController }>();

  constructor(surroundings: EngineSurroundings = { gpu: gpuHere(), startReferenceWorkers: () => [] }) {
    this.#surroundings = surroundings;
  }

  async start(): Promise<EngineInfo> {
    await sweepArchives();
    return this.#info(await this.#open());
  }

  async setBudget(budgetBytes: number): Promise<EngineInfo> {
    const place = await this.#open();
    const { maxBudgetBytes } = BUDGETS[place.info.place];
    this.#budgetBytes = Math.max(2 ** 20, Math.min(budgetBytes, maxBudgetBytes));
    place.blend.budgetBytes = this.#budgetBytes;
    return this.#info(place);
  }

  #info(place: Place): EngineInfo {
    const { maxBudgetBytes } = BUDGETS[place.info.place];
    return { ...place.info, budgetBytes: place.blend.budgetBytes, maxBudgetBytes };
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
        ? `WebGPU on a software adapter (${device.label}): right, but slow.`
        : `WebGPU on ${device.label}.`;
    } catch (error) {
      if (!(error instanceof DeviceFault)) throw error;
      reason = `${error.message} Merging runs on the methods’ float64 references in workers, and chat on the CPU.`;
    }
    const arithmetic = device
      ? new GpuArithmetic(device)
      : new CpuArithmetic(this.#surroundings.startReferenceWorkers());
    const info = { place: device ? ('gpu' as const) : ('cpu' as const), reason };
    const budgetBytes = this.#budgetBytes ?? BUDGETS[info.place].budgetBytes;
    const place: Place = {
      info,
      arithmetic,
      device,
      blend: new Blend(arithmetic, { budgetBytes, keepsSources: true, beforeLiveGoes: () => this.#closeBlendChat() }),
      solo: new Blend(arithmetic, { budgetBytes, keepsSources: false, beforeLiveGoes: () => this.#closeSoloChat() }),
    };
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
    await Promise.allSettled([this.#closeBlendChat(), this.#closeSoloChat()]);
  }

  async add(files: readonly { readonly path: string; readonly file: File }[]): ReturnType<EngineApi['add']> {
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
    return { added: named.map(summarise), faults: faults.filter((_, i) => !told.has(texts[i] ?? '')) };
  }

  async remove(name: string): Promise<void> {
    const checkpoint = this.#checkpoints.find((own) => own.name === name);
    if (!checkpoint) return;
    this.#checkpoints = this.#checkpoints.filter((own) => own !== checkpoint);
    if (this.#picked.names.includes(name)) this.#picked = NOTHING_PICKED;
    const place = await this.#open();
    await this.#inTurn('weigh', async () => {
      place.blend.forget(checkpoint);
      if (this.#soloChat?.name === name) await place.solo.dispose();
    });
  }

  #find(model: string): Checkpoint | undefined {
    const last = model.replace(/\/+$/, '').split('/').pop();
    return this.#checkpoints.find((own) => own.name === model) ?? this.#checkpoints.find((own) => own.name === last);
  }

  #check(recipeText: string): Check {
    return check(parseRecipe(recipeText), (model) => this.#find(model));
  }

  /** The lineup of a recipe; throws the first thing that stands against it. */
  #lineUp(recipeText: string): Lineup {
    const { findings, lineup } = this.#check(recipeText);
    if (lineup) return lineup;
    const error = findings.find((found) => found.severity === 'error');
    throw new MismatchFault(error?.message ?? 'These checkpoints cannot be merged.', { tensors: error?.tensors ?? [] });
  }

  async check(recipeText: string): Promise<CheckReport> {
    const place = await this.#open();
    const { findings, lineup } = this.#check(recipeText);
    return { findings, plan: lineup ? summarisePlan(place.blend.plan(lineup), place.blend.bytesPerSecond) : null };
  }

  weigh(recipeText: string, onProgress: (progress: Progress) => void): Promise<WeightsMap> {
    return this.#inTurn('weigh', async (signal, place) =>
      place.blend.map(this.#lineUp(recipeText), { signal, onProgress }),
    );
  }

  blend(recipeText: string, onProgress: (progress: Progress) => void): Promise<BlendReport> {
    return this.#inTurn('blend', async (signal, place) => {
      const lineup = this.#lineUp(recipeText);
      await this.#stopReply('blend');
      this.#makeRoom(place, lineup);
      const result = await place.blend.blend(lineup, { signal, onProgress });
      if (this.#blendChat && this.#blendChat.donor !== lineup.donor) await this.#closeBlendChat();
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

  /** Lets a loaded source go where the blend would not fit beside it. */
  #makeRoom(place: Place, lineup: Lineup): void {
    const soloBytes = place.solo.live?.bytes ?? 0;
    if (soloBytes > 0 && place.blend.plan(lineup).liveBytes + soloBytes > place.blend.budgetBytes)
      void place.solo.dispose();
  }

  save(
    recipeText: string,
    options: { readonly name: string; readonly target: SaveTarget; readonly maxShardBytes: number },
    onProgress: (progress: Progress) => void,
  ): Promise<SaveReport> {
    return this.#inTurn('save', async (signal, place) => {
      const start = performance.now();
      const lineup = this.#lineUp(recipeText);
      const { name, target, maxShardBytes } = options;
      const archive = target.kind === 'zip' ? await openArchive(name) : null;
      const folder = archive?.folder ?? (await folderIn((target as SaveTarget & { kind: 'folder' }).handle, name));
      const saving: WorkOptions = { signal, onProgress };
      const saved = await save(place.blend, lineup, folder, { ...saving, name, recipeText, maxShardBytes, version });
      return {
        files: saved.files,
        bytes: saved.files.reduce((sum, file) => sum + file.bytes, 0),
        milliseconds: performance.now() - start,
        nonFinite: counted(saved.nonFinite),
        archive: archive ? await archive.file() : null,
      };
    });
  }

  /**
   * Runs merge work after what is before it. A newer weigh or blend takes the place of those that are under way or
   * waiting: they reject as cancelled, and what they measured is kept. A save is only stopped by `cancel`.
   */
  #inTurn<T>(kind: 'weigh' | 'blend' | 'save', work: (signal: AbortSignal, place: Place) => Promise<T>): Promise<T> {
    const own = { kind, abort: new AbortController() };
    for (const other of [this.#running, ...this.#waiting])
      if (other?.kind === kind && kind !== 'save') other.abort.abort();
    this.#waiting.add(own);
    const result = this.#work.then(async () => {
      this.#waiting.delete(own);
      if (own.abort.signal.aborted) throw new CancelledFault('Stopped before it began.');
      this.#running = own;
      try {
        return await work(own.abort.signal, await this.#open());
      } finally {
        this.#running = null;
      }
    });
    this.#work = result.catch(() => undefined);
    return result;
  }

  async cancel(): Promise<void> {
    for (const own of [this.#running, ...this.#waiting]) own?.abort.abort();
    await this.#work;
  }

  async talkTo(speaker: Speaker): Promise<SpeakerInfo> {
    const { chat } = await this.#inTurn('save', (signal, place) => this.#chatOf(speaker, place, signal));
    return {
      modelType: chat.info.architecture.modelType,
      contextTokens: chat.info.contextTokens,
      hasChatTemplate: chat.info.hasTemplate,
      provider: chat.info.provider,
    };
  }

  /** The open chat of a speaker; opens it first where needed. Runs in turn with merge work. */
  async #chatOf(speaker: Speaker, place: Place, signal: AbortSignal): Promise<OpenChat> {
    if (speaker.kind === 'blend') {
      const weights = place.blend.live;
      if (!weights || !this.#blended) throw new MissingFault('There is no merged model yet; merge first.');
      const { donor } = this.#blended;
      this.#blendChat ??= { chat: await openChat(donor, weights, signal), weights, donor };
      return this.#blendChat;
    }
    const checkpoint = this.#find(speaker.name);
    if (!checkpoint) throw new MissingFault(`${speaker.name} is not open any more; add it again.`);
    if (this.#soloChat?.donor === checkpoint) return this.#soloChat;
    await this.#stopReply('checkpoint');
    await place.solo.dispose();
    const obstacle = chatObstacle(checkpoint);
    if (obstacle !== null) throw new MissingFault(obstacle);
    // A source is loaded by the merge's own path: a linear merge of it alone.
    const recipe = {
      method: 'linear',
      base: null,
      models: [{ model: speaker.name, parameters: {} }],
      parameters: {},
      outDtype: null,
    };
    const { lineup, findings } = check(recipe, () => checkpoint);
    if (!lineup) throw new MismatchFault(findings.find((f) => f.severity === 'error')?.message ?? 'It cannot be read.');
    place.solo.budgetBytes = Math.max(0, place.blend.budgetBytes - (place.blend.live?.bytes ?? 0));
    if (place.solo.plan(lineup).mode === 'streaming') {
      throw new BudgetFault(
        `${speaker.name} does not fit in the memory budget beside the merge; raise the budget to talk to it.`,
      );
    }
    await place.solo.blend(lineup, { signal });
    const weights = place.solo.live;
    if (!weights) throw new Error('a loaded source has no weights');
    this.#soloChat = {
      chat: await openChat(checkpoint, weights, signal),
      weights,
      donor: checkpoint,
      name: speaker.name,
    };
    return this.#soloChat;
  }

  async say(request: SayRequest, onText: (textSoFar: string) => void): Promise<Reply> {
    await this.#stopReply();
    // The reply begins within its turn: merge work that comes next finds it, and waits until it has stopped.
    const replying = await this.#inTurn(
      'save',
      async (signal, place): Promise<Replying & { done: Promise<Generated> }> => {
        const { chat } = await this.#chatOf(request.speaker, place, signal);
        const stop = new AbortController();
        let text = '';
        const done = chat.generate({
          messages: request.messages,
          mode: request.mode,
          maxNewTokens: request.maxNewTokens,
          temperature: request.temperature,
          topK: request.topK,
          seed: request.seed,
          signal: stop.signal,
          onText: (piece) => {
            text += piece;
            onText(text);
          },
        });
        done.catch(() => undefined);
        const started = { speaker: request.speaker.kind, stop, done };
        this.#replying = started;
        return started;
      },
    );
    const blend = request.speaker.kind === 'blend' ? this.#blendNumber : null;
    try {
      return { ...(await replying.done), blend };
    } finally {
      if (this.#replying === replying) this.#replying = null;
    }
  }

  async stop(): Promise<void> {
    await this.#stopReply();
  }

  /** Stops the running reply (of one kind of speaker) and waits until it reads no weights any more. */
  async #stopReply(speaker?: Speaker['kind']): Promise<void> {
    const replying = this.#replying;
    if (!replying || (speaker !== undefined && replying.speaker !== speaker)) return;
    replying.stop.abort();
    await replying.done.catch(() => undefined);
  }

  async #closeBlendChat(): Promise<void> {
    const open = this.#blendChat;
    this.#blendChat = null;
    await this.#stopReply('blend');
    await open?.chat.dispose();
  }

  async #closeSoloChat(): Promise<void> {
    const open = this.#soloChat;
    this.#soloChat = null;
    await this.#stopReply('checkpoint');
    await open?.chat.dispose();
  }
}

function openChat(donor: Checkpoint, weights: LiveWeights, signal: AbortSignal): Promise<Chat> {
  return Chat.open({ config: donor.config, sideFiles: donor.sideFiles, weights: chatWeights(weights), signal });
}

function chatWeights({ tensors, device }: LiveWeights): ChatWeights {
  if (device) {
    const gpu = [...tensors].flatMap(([name, t]) => (t.kind === 'gpu' ? [[name, t] as const] : []));
    return { kind: 'gpu', device, tensors: new Map(gpu) };
  }
  const cpu = [...tensors].flatMap(([name, t]) => (t.kind === 'cpu' ? [[name, t] as const] : []));
  return { kind: 'cpu', tensors: new Map(cpu) };
}

/** Why a checkpoint cannot be talked to, as one sentence; null where it can. */
function chatObstacle(checkpoint: Checkpoint): string | null {
  try {
    describeArchitecture(checkpoint.config, checkpoint.tensors.keys());
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
  if (!checkpoint.sideFiles.has('tokenizer.json')) {
    return `${checkpoint.name} has no tokenizer.json beside its weights, so it can be merged and saved but not talked to; add the whole folder.`;
  }
  return null;
}

function summarise(checkpoint: Checkpoint): CheckpointSummary {
  const dtypes = new Map<CheckpointSummary['dtypes'][number]['dtype'], number>();
  let elements = 0;
  for (const tensor of checkpoint.tensors.values()) {
    dtypes.set(tensor.dtype, (dtypes.get(tensor.dtype) ?? 0) + 1);
    elements += tensor.elements;
  }
  const modelType = checkpoint.config?.model_type;
  const tokenizerConfig = checkpoint.sideFiles.get('tokenizer_config.json') ?? '';
  return {
    name: checkpoint.name,
    weightFiles: checkpoint.weightFiles,
    tensorCount: checkpoint.tensors.size,
    elements,
    totalBytes: checkpoint.totalBytes,
    dtypes: [...dtypes].sort((a, b) => b[1] - a[1]).map(([dtype, tensors]) => ({ dtype, tensors })),
    layers: layerCountOf(checkpoint.tensors.keys()),
    modelType: typeof modelType === 'string' ? modelType : null,
    hasTokenizer: checkpoint.sideFiles.has('tokenizer.json'),
    hasChatTemplate: checkpoint.sideFiles.has('chat_template.jinja') || /"chat_template"\s*:/.test(tokenizerConfig),
    chatObstacle: chatObstacle(checkpoint),
  };
}

function summarisePlan(plan: Plan, bytesPerSecond: number | null): PlanSummary {
  const passes = plan.statistics === 'none' ? 1 : 2;
  return {
    mergedTensors: plan.mergedTensors,
    copiedTensors: plan.copiedTensors,
    readBytes: plan.readBytes,
    writeBytes: plan.writeBytes,
    liveBytes: plan.liveBytes,
    mode: plan.mode,
    seconds: bytesPerSecond === null ? null : (plan.readBytes * passes) / bytesPerSecond,
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
