/** Measure: one shape in one precision on both sides, taking turns at every length of context. */

import { configOf } from './shapes.mjs';

/** @typedef {'live' | 'plain'} Side */
/** @typedef {{ dispatches: number, submits: number, uploads: number, readBytes: number }} Counts */

/**
 * @typedef {object} Figures one side at one context
 * @property {number} context tokens of text before the timed ones
 * @property {number} readTokens tokens that were read to get there
 * @property {number} readMs until the first token after them was known
 * @property {readonly number[]} tokenMs of each timed token
 * @property {number} cpuMs of the main thread, per token
 * @property {Counts} counts per token
 */

/**
 * @typedef {object} ShapeResult
 * @property {import('./shapes.mjs').Shape} shape
 * @property {string} precision
 * @property {Partial<Record<Side, { how: string, openMs: number, figures: Figures[], tokens: number[], failure: string | null }>>} sides
 * @property {boolean | null} isSame whether both wrote the same tokens; null where one is missing
 */

/** Room for the tokens that are written. */
const SPARE_TOKENS = 96;
/** The first tokens after a prompt warm pipelines and record commands. */
const WARM_UP_TOKENS = 3;
const TURNS = 2;

/**
 * @param {import('./browser.mjs').BenchPage} page
 * @param {{ shape: import('./shapes.mjs').Shape, precision: string, contexts: readonly number[], tokens: number, sides: readonly Side[], say: (line: string) => void }} options
 * @returns {Promise<ShapeResult>}
 */
export async function measureShape(page, { shape, precision, contexts, tokens, sides, say }) {
  const most = Math.max(...contexts) + contexts.length * (tokens + WARM_UP_TOKENS) + SPARE_TOKENS;
  const config = configOf(shape, Math.ceil(most / 64) * 64);
  const names = tensorNames(shape);
  /** @type {ShapeResult} */
  const result = { shape, precision, sides: {}, isSame: null };
  for (const side of sides) {
    try {
      const opened = /** @type {{ how: string, openMs: number }} */ (
        await page.call('open', side, config, names, precision)
      );
      result.sides[side] = { ...opened, figures: [], tokens: [], failure: null };
      say(`${shape.name} ${precision} ${side}: open in ${opened.openMs.toFixed(0)} ms, ${opened.how}`);
    } catch (error) {
      const failure = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      result.sides[side] = { how: '', openMs: 0, figures: [], tokens: [], failure };
      say(`${shape.name} ${precision} ${side}: ${failure}`);
    }
  }
  const open = sides.filter((side) => result.sides[side]?.failure === null);
  for (const context of contexts) {
    /** @type {Map<Side, Figures>} */
    const found = new Map();
    for (const side of open) {
      const own = result.sides[side];
      const read = /** @type {{ ms: number, tokens: number }} */ (
        await page.call('readTo', side, context, shape.vocabulary)
      );
      const warm = /** @type {{ tokens: number[] }} */ (await page.call('speak', side, WARM_UP_TOKENS));
      own?.tokens.push(...warm.tokens);
      found.set(side, {
        context,
        readTokens: read.tokens,
        readMs: read.ms,
        tokenMs: [],
        cpuMs: 0,
        counts: { dispatches: 0, submits: 0, uploads: 0, readBytes: 0 },
      });
    }
    for (let turn = 0; turn < TURNS; turn++) {
      const count = Math.ceil(tokens / TURNS);
      for (const side of turn % 2 === 0 ? open : [...open].reverse()) {
        const own = result.sides[side];
        const figures = found.get(side);
        if (!own || !figures) continue;
        const before = await page.cpuMs();
        const spoken = /** @type {{ tokenMs: number[], tokens: number[], counts: Counts }} */ (
          await page.call('speak', side, count)
        );
        const spent = (await page.cpuMs()) - before;
        const cpuMs = (spent - (await idleMs(page))) / spoken.tokenMs.length;
        own.tokens.push(...spoken.tokens);
        found.set(side, {
          ...figures,
          tokenMs: [...figures.tokenMs, ...spoken.tokenMs],
          cpuMs: turn === 0 ? cpuMs : Math.min(figures.cpuMs, cpuMs),
          counts: perToken(spoken.counts, spoken.tokenMs.length),
        });
      }
    }
    for (const [side, figures] of found) {
      result.sides[side]?.figures.push(figures);
      say(
        `${shape.name} ${precision} ${side} at ${context}: read ${figures.readTokens} in ${figures.readMs.toFixed(0)} ms, ` +
          `${median(figures.tokenMs).toFixed(1)} ms a token, CPU ${figures.cpuMs.toFixed(2)} ms, ` +
          `${figures.counts.dispatches.toFixed(0)} dispatches, ${figures.counts.submits.toFixed(1)} submits, ${figures.counts.readBytes.toFixed(0)} bytes back`,
      );
    }
  }
  const { live, plain } = result.sides;
  if (live?.failure === null && plain?.failure === null) {
    result.isSame = live.tokens.join() === plain.tokens.join();
    if (!result.isSame) say(`${shape.name} ${precision}: the two wrote DIFFERENT tokens`);
  }
  for (const side of open) await page.call('close', side);
  return result;
}

/** Processor time of a call that does nothing. @param {import('./browser.mjs').BenchPage} page */
async function idleMs(page) {
  const before = await page.cpuMs();
  await page.call('idle');
  return (await page.cpuMs()) - before;
}

/** @param {Counts} counts @param {number} tokens */
function perToken({ dispatches, submits, uploads, readBytes }, tokens) {
  return {
    dispatches: dispatches / tokens,
    submits: submits / tokens,
    uploads: uploads / tokens,
    readBytes: readBytes / tokens,
  };
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** @param {import('./shapes.mjs').Shape} shape */
function tensorNames({ layers }) {
  const parts = ['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((name) => `self_attn.${name}`);
  const all = [
    ...parts,
    'mlp.gate_proj',
    'mlp.up_proj',
    'mlp.down_proj',
    'input_layernorm',
    'post_attention_layernorm',
  ];
  const blocks = Array.from({ length: layers }, (_, layer) =>
    all.map((name) => `model.layers.${layer}.${name}.weight`),
  );
  return ['model.embed_tokens.weight', 'model.norm.weight', ...blocks.flat()];
}
