/**
 * Speakers: who is loaded at one place: the live blend, and beside it as many checkpoints and earlier blends as the
 * memory budget holds. What was used longest ago goes first; the live blend goes for nobody. Its methods are called in
 * turn (`turns.ts`). Not the replies (`replies.ts`), and not what one loaded speaker is (`voice.ts`).
 */

import { BudgetFault, Fault } from '../bytes/fault.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Arithmetic } from '../merge/arithmetic.ts';
import { checkCpuSize } from '../chat/weights.ts';
import { Blend, type BlendResult, type WorkOptions } from '../merge/blend.ts';
import type { Lineup } from '../merge/lineup.ts';
import type { Plan } from '../merge/plan.ts';
import { type ChatModel, chatModelOf } from './chat-model.ts';
import { type ChatPlan, chatPlans } from './chat-plan.ts';
import type { PrecisionChoice } from './engine-api.ts';
import { Voice } from './voice.ts';

/** How a lineup is merged and held for chat. */
export interface BlendPlan {
  readonly plan: Plan;
  /** Null where the result cannot be talked to. */
  readonly held: { readonly model: ChatModel; readonly plan: ChatPlan } | null;
}

/** Somebody who is to be loaded: a name for messages, what it is known by, and how it is made. */
export interface Wanted {
  /** The same key means the same weights. */
  readonly key: object | string;
  readonly name: string;
  readonly lineup: Lineup;
}

/** How somebody is made ready. */
export interface ReadyOptions {
  readonly signal: AbortSignal;
  /** Called before weights are read. */
  readonly onLoading?: (() => void) | undefined;
  /** Those that are speaking stay; null is returned where there is no room beside them. */
  readonly keepsSpeaking: boolean;
}

/** The speakers of one place. */
export class Speakers {
  /** The live blend. */
  readonly live: Voice;
  readonly #arithmetic: Arithmetic;
  readonly #others = new Map<Wanted['key'], Voice>();
  /** By voice, the choice of precision that it was loaded under. */
  readonly #choices = new WeakMap<Voice, PrecisionChoice>();
  #budgetBytes: number;
  #choice: PrecisionChoice;
  #uses = 0;

  constructor(arithmetic: Arithmetic, options: { readonly budgetBytes: number; readonly choice: PrecisionChoice }) {
    this.#arithmetic = arithmetic;
    this.#budgetBytes = options.budgetBytes;
    this.#choice = options.choice;
    this.live = new Voice(arithmetic, { budgetBytes: options.budgetBytes, keepsSources: true });
  }

  /** The live blend's merge. Call `plan` before it is given a lineup: that sets how it is held. */
  get blend(): Blend {
    return this.live.blend;
  }

  get budgetBytes(): number {
    return this.#budgetBytes;
  }

  /** Most bytes that merging and chat may hold from now on; what is beyond it goes when room is made next. */
  set budgetBytes(bytes: number) {
    this.#budgetBytes = bytes;
  }

  /** How chat holds matrices from now on. */
  set choice(choice: PrecisionChoice) {
    this.#choice = choice;
  }

  /** Bytes of everybody who is loaded, the sources that the live blend keeps included. */
  get bytes(): number {
    return this.#liveBytes + this.blend.sourceBytes + this.#othersBytes;
  }

  get #isGpu(): boolean {
    return this.#arithmetic.place === 'gpu';
  }

  /** What the live blend holds and keeps. */
  get #liveBytes(): number {
    return this.live.bytes;
  }

  get #othersBytes(): number {
    return bytesOf(this.#others.values());
  }

  /** How a lineup would be merged and held; the live blend's merge is set to that. */
  plan(lineup: Lineup): BlendPlan {
    const { blend } = this;
    const model = this.#modelHere(lineup);
    if (model instanceof Fault) {
      blend.formOf = () => 'f32';
      blend.budgetBytes = this.#budgetBytes;
      return { plan: blend.plan(lineup), held: null };
    }
    const limits = { choice: this.#choice, budgetBytes: this.#budgetBytes, heldBytes: 0, isGpu: this.#isGpu };
    for (const plan of chatPlans(model, limits)) {
      blend.formOf = (name) => plan.forms.get(name) ?? 'f32';
      blend.budgetBytes = Math.max(0, this.#budgetBytes - plan.cacheBytes - plan.copyBytes);
      const merge = blend.plan(lineup);
      if (merge.mode !== 'streaming') return { plan: merge, held: { model, plan } };
    }
    // What there is no room to talk to is not held, even where its weights alone would fit.
    return { plan: blend.plan(lineup), held: null };
  }

  /** Why a lineup's result cannot be talked to here, as one sentence; null where it can. */
  obstacle(lineup: Lineup): string | null {
    const model = this.#modelHere(lineup);
    return model instanceof Fault ? model.message : null;
  }

  /** What chat needs to know of a lineup's result, or why it cannot be talked to at this place. */
  #modelHere(lineup: Lineup): ChatModel | Fault {
    try {
      const model = chatModelOf(lineup);
      // Before its weights are read.
      if (!this.#isGpu) checkCpuSize(model.parameters);
      return model;
    } catch (thrown) {
      if (thrown instanceof Fault) return thrown;
      throw thrown;
    }
  }

  /** Makes the live blend what a lineup says; others go where it would not fit beside them. */
  async write(lineup: Lineup, options: WorkOptions): Promise<BlendResult> {
    const { plan, held } = this.plan(lineup);
    await this.live.hush();
    const neededBytes = plan.liveBytes + (held ? held.plan.cacheBytes + held.plan.copyBytes : 0);
    if (plan.mode !== 'streaming') await this.#shrinkOthers(this.#budgetBytes - neededBytes);
    this.#choices.set(this.live, this.#choice);
    return this.live.write(lineup, held, options);
  }

  /**
   * The live blend with its chat open; held anew first where another precision was chosen since.
   * @returns null where there is no room for its cache beside those who are speaking.
   */
  async readyLive(lineup: Lineup | null, options: ReadyOptions): Promise<Voice | null> {
    const { signal, onLoading, keepsSpeaking } = options;
    const { live } = this;
    const model = lineup && this.#modelHere(lineup);
    if (model instanceof Fault) throw model;
    this.#touch(live);
    if (lineup && live.plan && this.#choices.get(live) !== this.#choice) {
      const planned = this.plan(lineup);
      if (planned.plan.mode === 'streaming') {
        throw new BudgetFault(
          'The merged model does not fit in the memory budget as precisely as you chose; raise the budget or choose fewer bits.',
          { budgetBytes: this.#budgetBytes },
        );
      }
      onLoading?.();
      await this.write(lineup, { signal });
    }
    if (live.info === null && live.plan) {
      const cacheBytes = live.plan.cacheBytes + live.plan.copyBytes;
      while (this.bytes + cacheBytes > this.#budgetBytes && (await this.#dropOldest(keepsSpeaking))) {
        // One after another, until there is room.
      }
      if (this.bytes + cacheBytes > this.#budgetBytes) this.blend.releaseSources();
      if (this.bytes + cacheBytes > this.#budgetBytes && this.#others.size > 0) return null;
      onLoading?.();
    }
    await live.chat(signal);
    return live;
  }

  /**
   * Somebody else with the chat open; loaded first where needed.
   * @returns null where there is no room beside those who are speaking.
   * @throws BudgetFault where there is no room even alone beside the live blend, and whatever loading throws.
   */
  async ready(wanted: Wanted, options: ReadyOptions): Promise<Voice | null> {
    const known = this.#others.get(wanted.key);
    if (known) {
      this.#touch(known);
      // The budget may be smaller than when it was loaded.
      while (this.bytes > this.#budgetBytes && (await this.#dropOldest(options.keepsSpeaking, known))) {
        // One after another, until the rest fits.
      }
      if (this.bytes > this.#budgetBytes) this.blend.releaseSources();
      if (this.bytes <= this.#budgetBytes && this.#choices.get(known) === this.#choice) {
        await known.chat(options.signal);
        return known;
      }
      if (known.isInUse && options.keepsSpeaking) return null;
      await this.#drop(wanted.key);
    }
    const model = this.#modelHere(wanted.lineup);
    if (model instanceof Fault) throw model;
    const room = await this.#room(wanted, model, options.keepsSpeaking);
    if (room === null) return null;
    options.onLoading?.();
    const voice = new Voice(this.#arithmetic, { budgetBytes: room.budgetBytes, keepsSources: false });
    try {
      await voice.write(wanted.lineup, { model, plan: room.plan }, { signal: options.signal });
      await voice.chat(options.signal);
    } catch (thrown) {
      await voice.dispose();
      throw thrown;
    }
    this.#others.set(wanted.key, voice);
    this.#choices.set(voice, this.#choice);
    this.#touch(voice);
    return voice;
  }

  /** Makes room for somebody in the best precision that fits beside the live blend; null where others must end first. */
  async #room(
    { name, lineup }: Wanted,
    model: ChatModel,
    keepsSpeaking: boolean,
  ): Promise<{ readonly plan: ChatPlan; readonly budgetBytes: number } | null> {
    const budgetBytes = this.#budgetBytes;
    const heldBytes = this.#liveBytes;
    const plans = chatPlans(model, { choice: this.#choice, budgetBytes, heldBytes, isGpu: this.#isGpu });
    const speaking = keepsSpeaking ? [...this.#others.values()].filter((voice) => voice.isInUse) : [];
    for (const plan of plans) {
      const budgetIn = (freeBytes: number) => this.#budgetIn(freeBytes, lineup, plan);
      if (budgetIn(budgetBytes - heldBytes) === null) continue;
      if (budgetIn(budgetBytes - heldBytes - bytesOf(speaking)) === null) return null;
      const free = () => budgetBytes - heldBytes - this.blend.sourceBytes - this.#othersBytes;
      while (budgetIn(free()) === null && (await this.#dropOldest(keepsSpeaking))) {
        // One after another, until there is room.
      }
      if (budgetIn(free()) === null) this.blend.releaseSources();
      const room = budgetIn(free());
      if (room !== null) return { plan, budgetBytes: room };
    }
    throw new BudgetFault(
      `${name} does not fit in the memory budget beside the merge; raise the budget to talk to it.`,
      { budgetBytes, heldBytes },
    );
  }

  /** What of some free bytes its merge may have; null where they are too few. */
  #budgetIn(freeBytes: number, lineup: Lineup, plan: ChatPlan): number | null {
    const probe = new Blend(this.#arithmetic, { budgetBytes: 0, keepsSources: false });
    probe.formOf = (name) => plan.forms.get(name) ?? 'f32';
    probe.budgetBytes = Math.max(0, freeBytes - plan.cacheBytes - plan.copyBytes);
    return probe.plan(lineup).mode === 'streaming' ? null : probe.budgetBytes;
  }

  /** Lets others go, the one that was used longest ago first, until they take at most so many bytes. */
  async #shrinkOthers(mostBytes: number): Promise<void> {
    while (this.#othersBytes > mostBytes && (await this.#dropOldest(false))) {
      // One after another, until there is room.
    }
  }

  /** False where there is nobody to let go. */
  async #dropOldest(keepsSpeaking: boolean, besides: Voice | null = null): Promise<boolean> {
    // Those that are speaking go last.
    const order = [...this.#others]
      .filter(([, voice]) => voice !== besides && !(keepsSpeaking && voice.isInUse))
      .sort(([, a], [, b]) => Number(a.isInUse) - Number(b.isInUse) || a.lastUse - b.lastUse);
    const [oldest] = order;
    if (!oldest) return false;
    await this.#drop(oldest[0]);
    return true;
  }

  async #drop(key: Wanted['key']): Promise<void> {
    const voice = this.#others.get(key);
    this.#others.delete(key);
    await voice?.dispose();
  }

  #touch(voice: Voice): void {
    this.#uses += 1;
    voice.lastUse = this.#uses;
  }

  /** Forgets what came from a checkpoint that is being closed. The live blend stays: it is a result. */
  async forget(checkpoint: Checkpoint): Promise<void> {
    this.blend.forget(checkpoint);
    for (const [key, voice] of [...this.#others]) {
      const lineup = voice.model?.lineup;
      const isMadeOfIt =
        key === checkpoint ||
        lineup?.donor === checkpoint ||
        lineup?.base === checkpoint ||
        (lineup?.models.includes(checkpoint) ?? false);
      // A blend with stages may be made of it in ways that its lineup does not show.
      if (isMadeOfIt || lineup?.recipe.stages !== undefined) await this.#drop(key);
    }
  }

  /** Most tokens of context of somebody who is loaded (null: the live blend); null where nobody is. */
  contextTokens(key: Wanted['key'] | null): number | null {
    const voice = key === null ? this.live : this.#others.get(key);
    return voice?.info?.contextTokens ?? null;
  }

  /** After the device was lost: closes the chats; what lay on the device is gone by itself. */
  async abandon(): Promise<void> {
    await Promise.allSettled([this.live, ...this.#others.values()].map((voice) => voice.abandon()));
    this.#others.clear();
  }
}

function bytesOf(voices: Iterable<Voice>): number {
  let bytes = 0;
  for (const voice of voices) bytes += voice.bytes;
  return bytes;
}
