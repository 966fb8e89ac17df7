/** ContextFit: how much of a conversation fits beside a reply. It asks the engine to count; not what is counted. */

import type { EngineApi, PromptInfo, PromptRequest } from './engine-api.ts';

/** Of the context, at least this share stays for the prompt, however long the reply may become. */
const PROMPT_SHARE = 0.5;

/** How many of the oldest exchanges have to be left out so that prompt and reply fit, and the prompt that does. */
export async function fittingSkip(
  engine: Pick<EngineApi, 'prompt'>,
  request: (skip: number) => PromptRequest,
  exchanges: number,
  maxNewTokens: number,
): Promise<{ readonly skip: number; readonly info: PromptInfo }> {
  // The first skip that fits is looked for by halving: a longer prompt never has fewer tokens.
  let [low, high] = [0, exchanges];
  let info: PromptInfo | null = null;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const tried = await engine.prompt(request(middle));
    const roomTokens = Math.max(tried.contextTokens - maxNewTokens, tried.contextTokens * PROMPT_SHARE);
    if (tried.tokens > roomTokens) low = middle + 1;
    else {
      high = middle;
      info = tried;
    }
  }
  return { skip: low, info: info ?? (await engine.prompt(request(low))) };
}
