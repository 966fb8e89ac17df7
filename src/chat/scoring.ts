/**
 * Scoring: how well a model foresees a text, token by token: perplexity, and bits per byte, which can be compared
 * between tokenizers. A text that is longer than the context is read in windows that overlap by half, so that every
 * token but those of the first window is foreseen from at least half a context.
 */

import { CancelledFault, MissingFault, throwIfCancelled } from '../bytes/fault.ts';
import type { Sampler } from './sampler.ts';
import type { LogitsRows, Session } from './session.ts';
import type { Tokenizer } from './tokenizer.ts';

/** The score of a text. */
export interface TextScore {
  readonly tokens: number;
  /** exp of the mean negative log-probability per token; the first token is not foreseen. */
  readonly perplexity: number;
  /** Negative log-probability in bits per UTF-8 byte of what was foreseen. */
  readonly bitsPerByte: number;
  /** Each token's text and natural log-probability (null for the first). */
  readonly pieces: readonly { readonly text: string; readonly logProbability: number | null }[];
}

/** What scoring works with. */
export interface ScoringTools {
  readonly tokenizer: Tokenizer;
  readonly sampler: Pick<Sampler, 'score'>;
  /** Most tokens of one window. */
  readonly contextTokens: number;
  /** Opens a session that gives the logits of all tokens; it is disposed of here. */
  readonly open: (capacityTokens: number) => Promise<Pick<Session, 'newCache' | 'advance' | 'dispose'>>;
}

/**
 * Scores a text, which is begun as the tokenizer begins one.
 * @param onProgress is told how many tokens are scored, of how many.
 * @throws MissingFault where there are fewer than two tokens, MalformedFault where the weights give no number,
 *   CancelledFault where the signal is aborted, DeviceFault where the runtime fails.
 */
export async function scoreText(
  text: string,
  tools: ScoringTools,
  signal?: AbortSignal,
  onProgress?: (tokensDone: number, tokens: number) => void,
): Promise<TextScore> {
  const { tokenizer } = tools;
  const ids = tokenizer.encode(text, true);
  if (ids.length < 2) throw new MissingFault('There is nothing to foresee; paste a longer text.');
  throwIfCancelled(signal);
  const window = Math.max(2, Math.min(tools.contextTokens, ids.length));
  const session = await tools.open(window);
  const scores: number[] = [];
  try {
    for (let start = 0; scores.length < ids.length - 1; start += Math.ceil(window / 2)) {
      const cache = session.newCache();
      const end = Math.min(start + window, ids.length);
      const read = async (rows: LogitsRows, before: number) => {
        throwIfCancelled(signal);
        // Row r foresees the token after its own.
        const first = start + before + 1;
        const targets = ids.slice(first, first + rows.rows);
        const isNew = first + targets.length - 1 > scores.length;
        if (!isNew) return;
        const got = await tools.sampler.score(rows, targets);
        scores.push(...got.slice(scores.length + 1 - first));
        onProgress?.(scores.length + 1, ids.length);
      };
      try {
        await session.advance(ids.slice(start, end - 1), cache, signal, read);
      } finally {
        cache.dispose();
      }
    }
  } catch (thrown) {
    if (thrown instanceof CancelledFault) throw new CancelledFault('Stopped before the whole text was scored.');
    throw thrown;
  } finally {
    await session.dispose();
  }
  const nats = -scores.reduce((sum, score) => sum + score, 0);
  const bytesOf = (piece: string) => new TextEncoder().encode(piece).length;
  const foreseenBytes = bytesOf(text) - bytesOf(tokenizer.decode(ids.slice(0, 1)));
  return {
    tokens: ids.length,
    perplexity: Math.exp(nats / scores.length),
    bitsPerByte: nats / Math.LN2 / Math.max(1, foreseenBytes),
    pieces: ids.map((id, index) => ({
      text: tokenizer.tokenText(id),
      logProbability: index === 0 ? null : (scores[index - 1] ?? null),
    })),
  };
}
