/**
 * Voice: one speaker that is loaded: its weights, the chat over them, and what is being read from them now. Work on one
 * voice is done one piece after another; whoever changes or frees its weights ends that work first. Not who is loaded
 * (`speakers.ts`).
 */

import { DeviceFault, MissingFault } from '../bytes/fault.ts';
import { Chat } from '../chat/chat.ts';
import type { ChatWeights } from '../chat/weights.ts';
import type { Arithmetic } from '../merge/arithmetic.ts';
import { Blend, type BlendResult, type WorkOptions } from '../merge/blend.ts';
import type { Lineup } from '../merge/lineup.ts';
import type { LiveWeights } from '../merge/live-weights.ts';
import type { ChatModel } from './chat-model.ts';
import type { ChatPlan } from './chat-plan.ts';
import type { SpeakerInfo } from './engine-api.ts';

/** Something that reads a voice's weights. */
interface Use {
  readonly stop: AbortController;
  readonly done: Promise<unknown>;
}

/** A chat that is open, what it was opened for, and how. */
interface OpenChat {
  readonly chat: Chat;
  readonly model: ChatModel;
  readonly plan: ChatPlan;
}

/** A speaker's weights and chat. */
export class Voice {
  readonly blend: Blend;
  /** What its weights are and how they are held; null before they are there. */
  #held: { readonly model: ChatModel; readonly plan: ChatPlan } | null = null;
  #chat: OpenChat | null = null;
  readonly #uses = new Set<Use>();
  #last: Promise<unknown> = Promise.resolve();
  #isLost = false;
  /** Rises with every use of any voice; the lowest is the one that was used longest ago. */
  lastUse = 0;

  constructor(arithmetic: Arithmetic, options: { readonly budgetBytes: number; readonly keepsSources: boolean }) {
    this.blend = new Blend(arithmetic, { ...options, beforeLiveGoes: () => this.closeChat() });
  }

  /** How its weights are held; null before they are there. */
  get plan(): ChatPlan | null {
    return this.#held?.plan ?? null;
  }

  get model(): ChatModel | null {
    return this.#held?.model ?? null;
  }

  get isInUse(): boolean {
    return this.#uses.size > 0;
  }

  /** Bytes of weights and, where there is a chat, of its cache and of what the runtime copied. */
  get bytes(): number {
    const weightBytes = this.blend.live?.bytes ?? 0;
    const open = this.#chat;
    if (!open) return weightBytes;
    return weightBytes + open.plan.copyBytes + open.plan.cacheBytes;
  }

  /**
   * Writes its weights. What reads them ends first, what was read from the old ones is thrown away.
   * @param held what they are to chat and how chat holds them; null where they cannot be talked to.
   */
  async write(
    lineup: Lineup,
    held: { readonly model: ChatModel; readonly plan: ChatPlan } | null,
    options: WorkOptions,
  ): Promise<BlendResult> {
    await this.hush();
    const forms = held?.plan.forms;
    this.blend.formOf = (name) => forms?.get(name) ?? 'f32';
    const before = this.blend.live;
    const isWritten = () => this.blend.live !== before || before?.isWhole !== true;
    let isDone = false;
    try {
      const result = await this.blend.blend(lineup, options);
      isDone = true;
      return result;
    } finally {
      // Where it was stopped midway some weights are new, too; where it was refused before, all are as they were.
      if (isDone || isWritten()) {
        this.#held = held;
        await this.#weightsChanged();
      }
    }
  }

  async #weightsChanged(): Promise<void> {
    const open = this.#chat;
    if (!open) return;
    const held = this.#held;
    const isSame =
      held !== null &&
      held.plan.precision === open.plan.precision &&
      held.plan.capacityTokens === open.plan.capacityTokens &&
      fitsChat(held.model, open.model);
    if (isSame) open.chat.weightsChanged();
    else await this.closeChat();
  }

  /** The chat over its weights; opened first where it is not. */
  async chat(signal: AbortSignal): Promise<Chat> {
    const held = this.#held;
    const weights = this.blend.live;
    if (!weights || !held) throw new MissingFault('There is no merged model yet; merge first.');
    if (!weights.isWhole) {
      throw new MissingFault('The last merge was stopped before it was finished; merge again to talk to the result.');
    }
    if (this.#chat) return this.#chat.chat;
    const { config, sideFiles, binarySideFiles } = held.model;
    const chat = await Chat.open({
      config,
      sideFiles,
      binarySideFiles,
      weights: chatWeights(weights),
      capacityTokens: held.plan.capacityTokens,
      signal,
    });
    this.#chat = { chat, ...held };
    return chat;
  }

  /** What the page is told of it; null while no chat is open. */
  get info(): SpeakerInfo | null {
    const open = this.#chat;
    if (!open) return null;
    const { info } = open.chat;
    return {
      modelType: info.architecture.modelType,
      contextTokens: info.contextTokens,
      hasChatTemplate: info.hasTemplate,
      provider: info.provider,
      precision: open.plan.precision,
      weightBytes: this.blend.live?.bytes ?? 0,
      reason: [open.plan.reason, info.reason].filter((sentence) => sentence !== '').join(' '),
    };
  }

  /**
   * Does work on its chat after what is under way. Aborting `stop` ends it; `hush` does that.
   * The weights that the work reads are those of now: it either reads them or is ended.
   */
  use<T>(chat: Chat, stop: AbortController, work: (chat: Chat) => Promise<T>): Promise<T> {
    const done = this.#last
      .then(() => work(chat))
      .then(
        (value) => this.#unlessLost(value),
        (thrown: unknown) => {
          throw this.#unlessLost(thrown);
        },
      );
    this.#last = done.catch(() => undefined);
    const use = { stop, done };
    this.#uses.add(use);
    const forget = () => {
      this.#uses.delete(use);
    };
    done.then(forget, forget);
    return done;
  }

  /** What came of work, unless its weights were gone before it ended. */
  #unlessLost<T>(result: T): T {
    if (this.#isLost) throw new DeviceFault('The graphics device was lost; merge again to go on.');
    return result;
  }

  /** Ends what reads its weights, and waits until it has ended. */
  async hush(): Promise<void> {
    const uses = [...this.#uses];
    for (const { stop } of uses) stop.abort();
    await Promise.allSettled(uses.map(({ done }) => done));
  }

  /** Closes the chat; the weights stay. */
  async closeChat(): Promise<void> {
    const open = this.#chat;
    this.#chat = null;
    await this.hush();
    await open?.chat.dispose();
  }

  /** After the device was lost: ends what reads the weights, which are gone by themselves. */
  async abandon(): Promise<void> {
    this.#isLost = true;
    await this.closeChat();
  }

  /** Gives all memory back. */
  async dispose(): Promise<void> {
    await this.closeChat();
    this.#held = null;
    await this.blend.dispose();
  }
}

/** Whether a chat that was opened for one result serves another: the same files beside the weights. */
function fitsChat(model: ChatModel, open: ChatModel): boolean {
  return (
    model === open ||
    (hasSameEntries(model.sideFiles, open.sideFiles) &&
      hasSameEntries(model.binarySideFiles, open.binarySideFiles) &&
      JSON.stringify(model.config) === JSON.stringify(open.config))
  );
}

function hasSameEntries<V>(a: ReadonlyMap<string, V> | undefined, b: ReadonlyMap<string, V> | undefined): boolean {
  if (a === b) return true;
  return a?.size === b?.size && [...(a ?? [])].every(([name, value]) => b?.get(name) === value);
}

function chatWeights({ tensors, device }: LiveWeights): ChatWeights {
  if (device) {
    const gpu = [...tensors].flatMap(([name, t]) => (t.kind === 'gpu' ? [[name, t] as const] : []));
    return { kind: 'gpu', device, tensors: new Map(gpu) };
  }
  const cpu = [...tensors].flatMap(([name, t]) => (t.kind === 'cpu' ? [[name, t] as const] : []));
  return { kind: 'cpu', tensors: new Map(cpu) };
}
