/**
 * Replies: what was asked for last, in columns, from the asking to the end of every column. Those whose speakers fit in
 * memory together stream side by side, the others one after another. Newer asking ends older. Not who is loaded
 * (`speakers.ts`) and not the order of merge work (`turns.ts`).
 */

import { CancelledFault, toReport } from '../bytes/fault.ts';
import type { FaultReport } from '../bytes/fault.ts';
import type { Chat } from '../chat/chat.ts';
import type { Reply, SayEvent, SayOutcome, SayRequest, ScoreOutcome, Speaker } from './engine-api.ts';
import type { ReadyOptions } from './speakers.ts';
import type { Voice } from './voice.ts';

/** A speaker that is ready, and the number of the blend that its weights are; null for another speaker. */
export interface ReadySpeaker {
  readonly voice: Voice;
  readonly blend: number | null;
}

/** What replies need of the engine. */
export interface ReplyPlace {
  /** Runs work in its turn among all that touches weights. */
  readonly inTurn: <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** Makes a speaker ready, within a turn; null where there is no room beside those who are speaking. */
  readonly ready: (speaker: Speaker, options: ReadyOptions) => Promise<ReadySpeaker | null>;
}

/** One column of what was asked. */
class Column {
  readonly stop = new AbortController();
  readonly ended: Promise<void>;
  end: () => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }
}

/** Work that began in its turn and goes on after it. */
interface Begun<T> {
  readonly done: Promise<T>;
}

/** The replies of one engine. */
export class Replies {
  readonly #place: ReplyPlace;
  #asked: readonly Column[] = [];

  constructor(place: ReplyPlace) {
    this.#place = place;
  }

  /** Streams replies; resolves when all columns have ended. */
  async say(requests: readonly SayRequest[], onEvent: (event: SayEvent) => void): Promise<readonly SayOutcome[]> {
    /** Over a worker's boundary a call takes a port of its own, and may arrive after the result that was sent later. */
    let lastTold: Promise<void> = Promise.resolve();
    const tell = (event: SayEvent) => {
      // A listener that fails, or that has gone, ends no reply.
      lastTold = Promise.resolve(onEvent(event)).catch(() => undefined);
    };
    return this.#ask(requests.length, async (columns) => {
      const outcomes = new Map<number, SayOutcome>();
      const end = (index: number, outcome: SayOutcome) => {
        outcomes.set(index, outcome);
        columns[index]?.end();
      };
      /** Begins a column; resolves to its end, or to null where it has to wait for room. */
      const begin = async (index: number, keepsSpeaking: boolean): Promise<Begun<void> | null> => {
        const [request, column] = [requests[index], columns[index]];
        if (!request || !column) return { done: Promise.resolve() };
        try {
          const begun = await this.#begin(index, request, column, tell, keepsSpeaking);
          if (begun === null) return null;
          const done = begun.done.then(
            (reply) => end(index, { reply }),
            (thrown: unknown) => end(index, { fault: toReport(thrown) }),
          );
          return { done };
        } catch (thrown) {
          end(index, { fault: toReport(thrown) });
          return { done: Promise.resolve() };
        }
      };
      const together: Promise<void>[] = [];
      const waiting: number[] = [];
      for (const index of requests.keys()) {
        const begun = await begin(index, true);
        if (begun) together.push(begun.done);
        else waiting.push(index);
      }
      await Promise.all(together);
      for (const index of waiting) await (await begin(index, false))?.done;
      // Calls arrive in their order: with the last one all are there.
      await lastTold;
      return requests.map((_, index) => outcomes.get(index) ?? { fault: NEVER_BEGUN });
    });
  }

  async #begin(
    index: number,
    request: SayRequest,
    column: Column,
    onEvent: (event: SayEvent) => void,
    keepsSpeaking: boolean,
  ): Promise<Begun<Reply> | null> {
    const { speaker, messages, mode, template, maxNewTokens, sampling, stop, alternatives } = request;
    const onLoading = () => onEvent({ column: index, phase: 'loading', speaker });
    return this.#read(speaker, column, { keepsSpeaking, onLoading }, ({ voice, blend }, chat) => {
      const { tokens } = chat.prompt({ messages, mode, template });
      const { info } = voice;
      if (info) onEvent({ column: index, phase: 'reading', info, promptTokens: tokens });
      return voice.use(chat, column.stop, async () => {
        const generated = await chat.generate({
          messages,
          mode,
          template,
          maxNewTokens,
          sampling,
          stop,
          alternatives,
          signal: column.stop.signal,
          onTokens: (text, said) => onEvent({ column: index, phase: 'speaking', text, tokens: said }),
        });
        return { ...generated, blend };
      });
    });
  }

  /** How well each speaker foresees a text, one after another. */
  async score(
    speakers: readonly Speaker[],
    text: string,
    onProgress: (column: number, tokensDone: number, tokens: number) => void,
  ): Promise<readonly ScoreOutcome[]> {
    return this.#ask(speakers.length, async (columns) => {
      const outcomes: ScoreOutcome[] = [];
      for (const [index, speaker] of speakers.entries()) {
        const column = columns[index];
        if (!column) break;
        try {
          const begun = await this.#read(speaker, column, { keepsSpeaking: false }, ({ voice }, chat) =>
            voice.use(chat, column.stop, () =>
              chat.score(text, column.stop.signal, (done, tokens) => onProgress(index, done, tokens)),
            ),
          );
          if (begun === null) throw new Error('a speaker waits for nobody');
          outcomes.push({ score: await begun.done });
        } catch (thrown) {
          outcomes.push({ fault: toReport(thrown) });
        } finally {
          column.end();
        }
      }
      return outcomes;
    });
  }

  /**
   * Makes a speaker ready and begins work on its chat, within one turn: merge work that comes next finds that it is
   * under way. Null where there is no room yet.
   */
  async #read<T>(
    speaker: Speaker,
    column: Column,
    options: Omit<ReadyOptions, 'signal'>,
    work: (ready: ReadySpeaker, chat: Chat) => Promise<T>,
  ): Promise<Begun<T> | null> {
    if (column.stop.signal.aborted) throw new CancelledFault('Stopped before it began.');
    return this.#place.inTurn(async (turn) => {
      const signal = AbortSignal.any([turn, column.stop.signal]);
      const ready = await this.#place.ready(speaker, { ...options, signal });
      if (!ready) return null;
      const chat = await ready.voice.chat(signal);
      if (signal.aborted) throw new CancelledFault('Stopped before it began.');
      return { done: work(ready, chat) };
    });
  }

  /** Ends what was asked before, then does the new asking. */
  async #ask<T>(columns: number, work: (columns: readonly Column[]) => Promise<T>): Promise<T> {
    const ended = this.stop();
    const asked = Array.from({ length: columns }, () => new Column());
    this.#asked = asked;
    await ended;
    try {
      return await work(asked);
    } finally {
      for (const column of asked) column.end();
    }
  }

  /** Ends what was asked (one column of it), and waits until it has ended. */
  async stop(index?: number): Promise<void> {
    const columns = index === undefined ? this.#asked : this.#asked.slice(index, index + 1);
    for (const { stop } of columns) stop.abort();
    await Promise.all(columns.map(({ ended }) => ended));
  }
}

const NEVER_BEGUN: FaultReport = { code: 'defect', message: 'A column was never begun.', details: {} };
