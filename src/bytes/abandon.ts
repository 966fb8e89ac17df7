/** Abandon: ends an output after its writing failed, and makes one failure of the two that there may be. */

import { CancelledFault, Fault, OutputFault, sentenceOf } from './fault.ts';
import type { Folder } from './sink.ts';

/**
 * Aborts a folder because of `failure`.
 * @returns what is to be thrown on: `failure` itself; where something could not be taken back as well, the same with a
 * sentence more, which names it.
 */
export async function abandon(folder: Folder, failure: unknown): Promise<unknown> {
  try {
    await folder.abort();
    return failure;
  } catch (thrown) {
    const left = sentenceOf(thrown);
    const details = thrown instanceof Fault ? thrown.details : {};
    // A stop that leaves something behind is news for the person.
    if (failure instanceof CancelledFault) return new OutputFault(`The save was stopped. ${left}`, details);
    if (!(failure instanceof Fault)) return failure;
    return new Fault(failure.code, `${sentenceOf(failure)} ${left}`, { ...failure.details, ...details });
  }
}
