/**
 * Engine wire: the engine as its worker offers it to the page: what is as long as a model is packed into columns and
 * handed over. The page's end unpacks it (`engine-client.ts`). Not the engine itself, and not its contract.
 */

import { transfer } from 'comlink';
import type { EngineApi } from './engine-api.ts';
import {
  buffersOf,
  type PackedMap,
  packedMap,
  type PackedSurvey,
  packedSurvey,
  type PackedTexts,
  packedTexts,
} from './packed.ts';

/** What is asked across the wire. */
export interface EngineWire extends Omit<EngineApi, 'tensors' | 'weigh' | 'survey'> {
  tensors(...args: Parameters<EngineApi['tensors']>): Promise<PackedTexts>;
  weigh(...args: Parameters<EngineApi['weigh']>): Promise<PackedMap>;
  survey(...args: Parameters<EngineApi['survey']>): Promise<PackedSurvey>;
}

function handedOver<T extends object>(packed: T): T {
  return transfer(packed, buffersOf(packed));
}

/** The engine for the wire. */
export function onWire(engine: EngineApi): EngineWire {
  return {
    start: () => engine.start(),
    setBudget: (budgetBytes) => engine.setBudget(budgetBytes),
    memory: () => engine.memory(),
    setPrecision: (precision) => engine.setPrecision(precision),
    add: (files) => engine.add(files),
    remove: (name) => engine.remove(name),
    check: (text) => engine.check(text),
    tensors: async (text) => handedOver(packedTexts(await engine.tensors(text))),
    weigh: async (text, onProgress, detail) => handedOver(packedMap(await engine.weigh(text, onProgress, detail))),
    survey: async (text, onProgress) => handedOver(packedSurvey(await engine.survey(text, onProgress))),
    histogram: (text, tensor) => engine.histogram(text, tensor),
    blend: (text, onProgress) => engine.blend(text, onProgress),
    save: (text, options, onProgress) => engine.save(text, options, onProgress),
    cancel: () => engine.cancel(),
    talkTo: (speaker) => engine.talkTo(speaker),
    prompt: (request) => engine.prompt(request),
    say: (requests, onEvent) => engine.say(requests, onEvent),
    stop: (column) => engine.stop(column),
    score: (speakers, text, onProgress) => engine.score(speakers, text, onProgress),
  };
}
