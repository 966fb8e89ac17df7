/**
 * Speaking: what holds of talking to an engine wherever it runs, on a real trained model and siblings of it. Run by a
 * test in Node (on the CPU) and one in a browser (on WebGPU). Not shipped.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { GREEDY } from '../../chat/sampling.ts';
import { STORY } from '../../chat/test/stories.ts';
import type { Reply, SayEvent, SayOutcome, SayRequest, Speaker } from '../engine-api.ts';
import type { Engine } from '../engine.ts';
import { fixture, recipe, sibling, STORIES } from './family.ts';

const NOTHING = () => undefined;
const BLEND: Speaker = { kind: 'blend' };
const named = (name: string): Speaker => ({ kind: 'checkpoint', name });

/** A blend that is the base for 0 and the further from it the larger `lambda`. */
export function far(lambda: number): string {
  return recipe('task_arithmetic', STORIES, ['left'], `parameters: {lambda: ${lambda}}\nout_dtype: float32`);
}

/** A request to continue a text greedily. */
export function asks(speaker: Speaker, text: string, maxNewTokens: number, part: Partial<SayRequest> = {}): SayRequest {
  return {
    speaker,
    messages: [{ role: 'user', content: text }],
    mode: 'continue',
    template: null,
    maxNewTokens,
    sampling: GREEDY,
    stop: [],
    alternatives: 0,
    ...part,
  };
}

/** The reply of a column that ended well. */
export function replyOf(outcome: SayOutcome | undefined): Reply {
  if (!outcome || 'fault' in outcome) throw new Error(outcome?.fault.message ?? 'no outcome');
  return outcome.reply;
}

/** One reply, whose events are checked on the way. */
export async function say(engine: Engine, speaker: Speaker, text: string, maxNewTokens: number): Promise<Reply> {
  const events: SayEvent[] = [];
  const [outcome] = await engine.say([asks(speaker, text, maxNewTokens)], (event) => events.push(event));
  const reply = replyOf(outcome);
  let soFar = '';
  let tokens = 0;
  for (const event of events) {
    if (event.phase !== 'speaking') continue;
    expect(event.text.startsWith(soFar)).toBe(true);
    soFar = event.text;
    tokens += event.tokens.length;
  }
  expect([soFar, tokens]).toEqual([reply.text, reply.tokens]);
  return reply;
}

const opened = new WeakSet<Engine>();

/** Opens the fixture and two siblings of it, once for an engine. */
export async function openFamily(engine: Engine): Promise<void> {
  if (opened.has(engine)) return;
  opened.add(engine);
  await engine.add(await fixture(STORIES));
  await engine.add(await sibling(STORIES, 'left', 1));
  await engine.add(await sibling(STORIES, 'right', 2, 'BF16'));
}

/**
 * Declares the tests; `open` gives an engine whose files are not open yet.
 * @param moves how often the blend is moved while it speaks.
 */
export function describeSpeaking(name: string, open: () => Promise<Engine>, moves = 50): void {
  describe(name, () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await open();
      await openFamily(engine);
      await engine.blend(far(20), NOTHING);
    });

    it('talks to a checkpoint greedily as published, and tells how it runs', async () => {
      const info = await engine.talkTo(named(STORIES));
      expect(info).toMatchObject({ modelType: 'llama', precision: 'f32', contextTokens: 512, hasChatTemplate: false });
      expect(info.reason).toMatch(/\.$/);
      expect(info.weightBytes).toBeGreaterThan(1_000_000);
      const reply = await say(engine, named(STORIES), 'Once upon a time', 56);
      expect(reply.text.startsWith(STORY)).toBe(true);
      expect(reply.blend).toBeNull();
    });

    it('has columns answer as each does alone, and keeps one’s failure to itself', async () => {
      const speakers: Speaker[] = [
        named('left'),
        named('gone'),
        BLEND,
        { kind: 'recipe', label: 'Blend 1', text: far(20) },
        { kind: 'recipe', label: 'nonsense', text: 'merge_method: nonsense' },
      ];
      const phases = new Map<number, string[]>();
      const outcomes = await engine.say(
        speakers.map((speaker) => asks(speaker, 'Once upon a time', 20, { alternatives: 3 })),
        ({ column, phase }) => phases.set(column, [...(phases.get(column) ?? []), phase]),
      );
      expect(outcomes.map((outcome) => ('fault' in outcome ? outcome.fault.code : 'reply'))).toEqual([
        'reply',
        'missing',
        'reply',
        'reply',
        'recipe',
      ]);
      expect(phases.get(0)?.slice(0, 3)).toEqual(['loading', 'reading', 'speaking']);
      expect(phases.has(1)).toBe(false);
      for (const column of [0, 2, 3]) {
        const speaker = speakers[column] ?? BLEND;
        expect(replyOf(outcomes[column]).text).toBe((await say(engine, speaker, 'Once upon a time', 20)).text);
      }
      // The recipe is the live blend's.
      expect(replyOf(outcomes[3]).text).toBe(replyOf(outcomes[2]).text);
      expect(replyOf(outcomes[2]).text).not.toBe(replyOf(outcomes[0]).text);
      expect(outcomes.map((outcome) => ('reply' in outcome ? outcome.reply.blend : null))).toEqual([
        null,
        null,
        1,
        null,
        null,
      ]);
    });

    it('tells each token with its probability and the likeliest beside it', async () => {
      const said: (SayEvent & { phase: 'speaking' })[] = [];
      await engine.say([asks(named(STORIES), 'Once upon a time', 5, { alternatives: 4 })], (event) => {
        if (event.phase === 'speaking') said.push(event);
      });
      const tokens = said.flatMap((event) => event.tokens);
      expect(tokens).toHaveLength(5);
      for (const { token, probability, alternatives } of tokens) {
        expect(alternatives).toHaveLength(4);
        expect(alternatives[0]).toMatchObject({ token, probability });
        expect(probability).toBeGreaterThan(0);
        expect(alternatives.reduce((sum, choice) => sum + choice.probability, 0)).toBeLessThanOrEqual(1 + 1e-6);
      }
    });

    it('stops one column and leaves the other', async () => {
      let stopping: Promise<void> | null = null;
      const outcomes = await engine.say(
        [asks(named(STORIES), 'Once upon a time', 60), asks(named('left'), 'Once upon a time', 20)],
        ({ column, phase }) => {
          if (column === 0 && phase === 'speaking') stopping ??= engine.stop(0);
        },
      );
      await stopping;
      expect(replyOf(outcomes[0])).toMatchObject({ stoppedBy: 'user' });
      expect(replyOf(outcomes[0]).tokens).toBeLessThan(60);
      expect(replyOf(outcomes[1])).toMatchObject({ stoppedBy: 'length', tokens: 20 });
    });

    it('ends older asking when there is newer', async () => {
      const first = engine.say([asks(BLEND, 'Once upon a time', 400)], NOTHING);
      const second = await engine.say([asks(BLEND, 'Once upon a time', 4)], NOTHING);
      const [outcome] = await first;
      expect(outcome && ('fault' in outcome ? outcome.fault.code : outcome.reply.stoppedBy)).toMatch(/cancelled|user/);
      expect(replyOf(second[0]).tokens).toBe(4);
    });

    it('counts a prompt without reading weights, and continues what it counted', async () => {
      const request = {
        messages: [{ role: 'user', content: 'Once upon a time' }],
        mode: 'continue',
        template: null,
      } as const;
      const info = await engine.prompt({ speaker: named('right'), ...request });
      expect(info).toMatchObject({ text: 'Once upon a time', contextTokens: 512, template: null });
      const reply = await say(engine, named('left'), 'Once upon a time', 1);
      expect(reply.promptTokens).toBe(info.tokens);
      await expect(engine.prompt({ speaker: named('gone'), ...request })).rejects.toMatchObject({ code: 'missing' });
      await expect(engine.prompt({ speaker: BLEND, ...request, mode: 'chat' })).rejects.toMatchObject({
        code: 'unsupported',
      });
    });

    it('scores a text: the model that wrote it foresees it best', async () => {
      const text = `Once upon a time${STORY}`;
      const progress: number[] = [];
      const outcomes = await engine.score([named(STORIES), BLEND, named('gone')], text, (column, done, tokens) => {
        progress.push(column);
        expect(done).toBeLessThanOrEqual(tokens);
      });
      const [own, blend, gone] = outcomes.map((outcome) => ('score' in outcome ? outcome.score.perplexity : null));
      expect(own).toBeGreaterThan(1);
      expect(own ?? 0).toBeLessThan(3);
      expect(blend ?? 0).toBeGreaterThan((own ?? 0) * 1.2);
      expect(gone).toBeNull();
      expect([...new Set(progress)]).toEqual([0, 1]);
    });

    it('never mixes two blends, whatever moves while it speaks', async () => {
      // Each text begins with the one before it, so that every reply could read keys and values of an earlier turn.
      const prompts = [
        'Once upon a time',
        'Once upon a time, there was a little girl',
        'Once upon a time, there was a little girl named Lily. She loved to play',
      ];
      const lambdas = [0, 20];
      const wanted = new Map<string, string>();
      for (const lambda of lambdas) {
        // The same weights, loaded apart from the live blend.
        const alone: Speaker = lambda === 0 ? named(STORIES) : { kind: 'recipe', label: 'far', text: far(lambda) };
        for (const prompt of prompts) wanted.set(`${lambda} ${prompt}`, (await say(engine, alone, prompt, 10)).text);
      }
      const firsts = lambdas.map((lambda) => wanted.get(`${lambda} ${prompts[0]}`));
      expect(new Set(firsts).size).toBe(lambdas.length);

      const lambdaOf = new Map<number, number>();
      let isMoving = true;
      const moving = (async () => {
        for (let move = 0; move < moves; move++) {
          const lambda = lambdas[move % lambdas.length] ?? 0;
          const { blend } = await engine.blend(far(lambda), NOTHING);
          lambdaOf.set(blend, lambda);
          // Some come at once, some in the middle of a reply, some after it.
          await new Promise((resolve) => setTimeout(resolve, [0, 5, 40, 120][move % 4]));
        }
        isMoving = false;
      })();
      const replies: { readonly prompt: string; readonly reply: Reply }[] = [];
      for (let turn = 0; isMoving || turn % prompts.length !== 0; turn++) {
        const prompt = prompts[turn % prompts.length] ?? '';
        replies.push({ prompt, reply: await say(engine, BLEND, prompt, 10) });
        // On a fast machine a reply is over before others would have a turn, and the moves would wait for ever.
        await new Promise((resolve) => setTimeout(resolve));
      }
      await moving;
      for (const prompt of prompts) replies.push({ prompt, reply: await say(engine, BLEND, prompt, 10) });

      let whole = 0;
      for (const { prompt, reply } of replies) {
        const lambda = lambdaOf.get(reply.blend ?? -1);
        if (lambda === undefined) {
          // The blend from before the first move.
          expect(reply.blend).toBeGreaterThan(0);
          continue;
        }
        const text = wanted.get(`${lambda} ${prompt}`) ?? '';
        if (reply.stoppedBy === 'user') expect(text.startsWith(reply.text)).toBe(true);
        else {
          expect(reply.text).toBe(text);
          whole++;
        }
      }
      expect(whole).toBeGreaterThanOrEqual(prompts.length);
      // Where nothing moved, what was read before is not read again.
      const last = await say(engine, BLEND, prompts[2] ?? '', 10);
      expect(last.readTokens).toBeLessThan(last.promptTokens);
      expect(last.text).toBe(wanted.get(`${lambdas[(moves - 1) % 2]} ${prompts[2]}`));
    });

    it('stops the blend’s reply when its weights are about to change, and no parent’s', async () => {
      const alone = await say(engine, named('left'), 'Once upon a time', 40);
      const before = await engine.blend(far(5), NOTHING);
      let blending: Promise<unknown> | null = null;
      const outcomes = await engine.say(
        [asks(BLEND, 'Once upon a time', 400), asks(named('left'), 'Once upon a time', 40)],
        ({ column, phase }) => {
          if (column === 0 && phase === 'speaking') blending ??= engine.blend(far(6), NOTHING);
        },
      );
      await blending;
      expect(replyOf(outcomes[0])).toMatchObject({ stoppedBy: 'user', blend: before.blend });
      expect(replyOf(outcomes[1])).toMatchObject({ stoppedBy: 'length', text: alone.text });
    });

    it('has columns wait for one another where the budget holds only some, and lets the oldest go', async () => {
      const { budgetBytes } = await engine.start();
      try {
        // Room for the live blend and one other, not two.
        const { weightBytes } = await engine.talkTo(BLEND);
        await engine.setBudget(Math.round(weightBytes * 2.4) + 4 * 2 ** 20);
        const order: string[] = [];
        const outcomes = await engine.say(
          [named(STORIES), named('left'), BLEND].map((speaker) => asks(speaker, 'Once upon a time', 8)),
          ({ column, phase }) => {
            if (phase !== 'speaking') order.push(`${column} ${phase}`);
          },
        );
        const texts = outcomes.map((outcome) => replyOf(outcome).text);
        // The second waits for the first; the blend, which is there anyway, does not wait.
        expect(order.indexOf('2 reading')).toBeLessThan(order.indexOf('1 loading'));
        await engine.setBudget(budgetBytes);
        expect((await say(engine, named('left'), 'Once upon a time', 8)).text).toBe(texts[1]);
        expect((await say(engine, BLEND, 'Once upon a time', 8)).text).toBe(texts[2]);
        await engine.setBudget(2 ** 20);
        const tooSmall = await engine.say([asks(named('right'), 'Once upon a time', 8)], NOTHING);
        expect(tooSmall).toMatchObject([{ fault: { code: 'budget' } }]);
      } finally {
        await engine.setBudget(budgetBytes);
      }
    });

    it('forgets a checkpoint that is closed while it speaks', async () => {
      const replying = engine.say([asks(named('left'), 'Once upon a time', 400)], ({ phase }) => {
        if (phase === 'speaking') void engine.remove('left');
      });
      const [outcome] = await replying;
      expect(replyOf(outcome)).toMatchObject({ stoppedBy: 'user' });
      const [gone] = await engine.say([asks(named('left'), 'Once upon a time', 4)], NOTHING);
      expect(gone).toMatchObject({ fault: { code: 'missing' } });
      await engine.add(await sibling(STORIES, 'left', 1));
    });
  });
}
