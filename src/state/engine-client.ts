/**
 * The page's end of the engine: starts the one worker and gives back an EngineApi whose callbacks may be plain
 * functions. Not the engine, and not its contract (`engine-api.ts`).
 */

import './wire.ts';
import { proxy, type Remote, wrap } from 'comlink';
import { DeviceFault } from '../bytes/fault.ts';
import type { EngineApi } from './engine-api.ts';
import type { EngineWire } from './engine-wire.ts';
import { lateEndpoint } from './late-endpoint.ts';
import { inTurns } from './in-turns.ts';
import { unpackingMap, unpackingSurvey, unpackingTexts } from './packed.ts';

/** An EngineApi over any worker or port that exposes one on the wire. */
export function engineOver(remote: Remote<EngineWire>): EngineApi {
  return {
    start: () => remote.start(),
    setBudget: (budgetBytes) => remote.setBudget(budgetBytes),
    memory: () => remote.memory(),
    setPrecision: (precision) => remote.setPrecision(precision),
    add: (files) => remote.add(files),
    remove: (name) => remote.remove(name),
    check: (text) => remote.check(text),
    tensors: async (text) => inTurns(unpackingTexts(await remote.tensors(text))),
    weigh: async (text, onProgress, detail) =>
      inTurns(unpackingMap(await remote.weigh(text, proxy(onProgress), detail))),
    survey: async (text, onProgress) => inTurns(unpackingSurvey(await remote.survey(text, proxy(onProgress)))),
    histogram: (text, tensor) => remote.histogram(text, tensor),
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

/**
 * The engine in its worker, which is started once `ready` resolves: a page draws itself first. What is asked before waits.
 * A worker that cannot load makes `start` reject instead of hanging.
 */
export function connectEngine(ready: Promise<void>): EngineApi {
  let refuse: (fault: DeviceFault) => void = () => {};
  const broken = new Promise<never>((_, reject) => {
    refuse = reject;
  });
  broken.catch(() => {});
  const starting = ready.then(() => {
    const worker = new Worker(new URL('./engine.worker.ts', import.meta.url), { type: 'module', name: 'engine' });
    worker.addEventListener('error', (event) => {
      const reason = event.message ? `: ${event.message}` : '';
      refuse(new DeviceFault(`The engine of this page could not be started${reason}. Reload the page.`));
    });
    return worker;
  });
  const engine = engineOver(wrap<EngineWire>(lateEndpoint(starting)));
  return { ...engine, start: () => Promise.race([engine.start(), broken]) };
}
