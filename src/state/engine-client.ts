/**
 * The page's end of the engine: starts the one worker and gives back an EngineApi whose callbacks may be plain
 * functions. Not the engine, and not its contract (`engine-api.ts`).
 */

import './wire.ts';
import { proxy, type Remote, wrap } from 'comlink';
import { DeviceFault } from '../bytes/fault.ts';
import type { EngineApi } from './engine-api.ts';

/** An EngineApi over any worker or port that exposes one. */
export function engineOver(remote: Remote<EngineApi>): EngineApi {
  return {
    start: () => remote.start(),
    setBudget: (budgetBytes) => remote.setBudget(budgetBytes),
    setPrecision: (precision) => remote.setPrecision(precision),
    add: (files) => remote.add(files),
    remove: (name) => remote.remove(name),
    check: (text) => remote.check(text),
    weigh: (text, onProgress) => remote.weigh(text, proxy(onProgress)),
    blend: (text, onProgress) => remote.blend(text, proxy(onProgress)),
    save: (text, options, onProgress) => remote.save(text, options, proxy(onProgress)),
    cancel: () => remote.cancel(),
    talkTo: (speaker) => remote.talkTo(speaker),
    prompt: (request) => remote.prompt(request),
    say: (requests, onEvent) => remote.say(requests, proxy(onEvent)),
    stop: (column) => remote.stop(column),
    score: (speakers, text, onProgress) => remote.score(speakers, text, proxy(onProgress)),
  };
}

/** Starts the engine worker. A worker that cannot load makes every call reject instead of hanging. */
export function connectEngine(): EngineApi {
  const worker = new Worker(new URL('./engine.worker.ts', import.meta.url), { type: 'module', name: 'engine' });
  const engine = engineOver(wrap<EngineApi>(worker));
  const broken = new Promise<never>((_, reject) => {
    worker.addEventListener('error', (event) => {
      const reason = event.message ? `: ${event.message}` : '';
      reject(new DeviceFault(`The engine of this page could not be started${reason}. Reload the page.`));
    });
  });
  broken.catch(() => {});
  return { ...engine, start: () => Promise.race([engine.start(), broken]) };
}
