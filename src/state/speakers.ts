/**
 * Speakers: who can be talked to at one place, the live blend or one open checkpoint, and the reply that is being
 * written. No reply reads weights that are being written or given up: whoever changes them stops it first. Not the
 * chat itself (`chat/chat.ts`), and not the order of work (`turns.ts`), in which its methods are called.
 */

import { BudgetFault, MismatchFault, MissingFault } from '../bytes/fault.ts';
import { Chat, type Generated } from '../chat/chat.ts';
import type { ChatWeights } from '../chat/weights.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Arithmetic } from '../merge/arithmetic.ts';
import { Blend } from '../merge/blend.ts';
import { check } from '../merge/check.ts';
import type { LiveWeights } from '../merge/live-weights.ts';
import { chatObstacle } from './checkpoint-summary.ts';
import type { SayRequest, Speaker } from './engine-api.ts';

/** A chat that is open, and whose config and tokenizer it uses. */
interface OpenChat {
  readonly chat: Chat;
  readonly donor: Checkpoint;
}

/** A reply that is being written. */
export interface Replying {
  readonly speaker: Speaker['kind'];
  readonly stop: AbortController;
  readonly done: Promise<Generated>;
}

/** The speakers of one place. */
export class Speakers {
  /** The live blend of the place. */
  readonly blend: Blend;
  /** Live weights of the one checkpoint that is being talked to. */
  readonly #solo: Blend;
  #blendChat: OpenChat | null = null;
  #soloChat: OpenChat | null = null;
  #replying: Replying | null = null;

  constructor(arithmetic: Arithmetic, budgetBytes: number) {
    this.blend = new Blend(arithmetic, { budgetBytes, keepsSources: true, beforeLiveGoes: () => this.closeBlend() });
    this.#solo = new Blend(arithmetic, {
      budgetBytes,
      keepsSources: false,
      beforeLiveGoes: () => this.#closeCheckpoint(),
    });
  }

  /** Bytes that the loaded checkpoint holds. */
  get checkpointBytes(): number {
    return this.#solo.live?.bytes ?? 0;
  }

  /** The chat over the live blend, with its donor's config and tokenizer. */
  async ofBlend(donor: Checkpoint | null, signal: AbortSignal): Promise<Chat> {
    const weights = this.blend.live;
    if (!weights || !donor) throw new MissingFault('There is no merged model yet; merge first.');
    if (!weights.isWhole) {
      throw new MissingFault('The last merge was stopped before it was finished; merge again to talk to the result.');
    }
    if (this.#blendChat?.donor !== donor) await this.closeBlend();
    this.#blendChat ??= { chat: await openChat(donor, weights, signal), donor };
    return this.#blendChat.chat;
  }

  /** The chat over a checkpoint; loads it first, in place of the one before. */
  async ofCheckpoint(checkpoint: Checkpoint, signal: AbortSignal): Promise<Chat> {
    if (this.#soloChat?.donor === checkpoint) return this.#soloChat.chat;
    await this.letCheckpointGo();
    const obstacle = chatObstacle(checkpoint);
    if (obstacle !== null) throw new MissingFault(obstacle);
    // It is loaded by the merge's own path: a linear merge of it alone.
    const models = [{ model: checkpoint.name, parameters: {} }];
    const recipe = { method: 'linear', base: null, models, parameters: {}, outDtype: null };
    const { lineup, findings } = check(recipe, () => checkpoint);
    if (!lineup) {
      const error = findings.find((found) => found.severity === 'error');
      throw new MismatchFault(error?.message ?? `${checkpoint.name} cannot be read.`);
    }
    this.#solo.budgetBytes = Math.max(0, this.blend.budgetBytes - (this.blend.live?.bytes ?? 0));
    if (this.#solo.plan(lineup).mode === 'streaming') {
      throw new BudgetFault(
        `${checkpoint.name} does not fit in the memory budget beside the merge; raise the budget to talk to it.`,
      );
    }
    await this.#solo.blend(lineup, { signal });
    const weights = this.#solo.live;
    if (!weights) throw new Error('a loaded checkpoint has no weights');
    try {
      const chat = await openChat(checkpoint, weights, signal);
      this.#soloChat = { chat, donor: checkpoint };
      return chat;
    } catch (error) {
      await this.#solo.dispose();
      throw error;
    }
  }

  /** Begins a reply; what comes before it has stopped. */
  begin(chat: Chat, request: SayRequest, stop: AbortController, onText: (textSoFar: string) => void): Replying {
    let text = '';
    const { messages, mode, maxNewTokens, temperature, topK, seed } = request;
    const done = chat.generate({
      messages,
      mode,
      maxNewTokens,
      temperature,
      topK,
      seed,
      signal: stop.signal,
      onText: (piece) => {
        text += piece;
        onText(text);
      },
    });
    const replying: Replying = { speaker: request.speaker.kind, stop, done };
    const forget = () => {
      if (this.#replying === replying) this.#replying = null;
    };
    done.then(forget, forget);
    this.#replying = replying;
    return replying;
  }

  /** Stops the running reply (of one kind of speaker) and waits until it reads no weights any more. */
  async hush(speaker?: Speaker['kind']): Promise<void> {
    const replying = this.#replying;
    if (!replying || (speaker !== undefined && replying.speaker !== speaker)) return;
    replying.stop.abort();
    await replying.done.catch(() => undefined);
  }

  /** Gives up the loaded checkpoint, or only if it is the one named. */
  async letCheckpointGo(only?: Checkpoint): Promise<void> {
    if (only && this.#soloChat?.donor !== only) return;
    await this.#solo.dispose();
  }

  /** Closes the chat over the live blend; its weights stay. */
  async closeBlend(): Promise<void> {
    const open = this.#blendChat;
    this.#blendChat = null;
    await this.hush('blend');
    await open?.chat.dispose();
  }

  async #closeCheckpoint(): Promise<void> {
    const open = this.#soloChat;
    this.#soloChat = null;
    await this.hush('checkpoint');
    await open?.chat.dispose();
  }

  /** After the device was lost: closes the chats; what lay on the device is gone by itself. */
  async abandon(): Promise<void> {
    await Promise.allSettled([this.closeBlend(), this.#closeCheckpoint()]);
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
