/**
 * Wire: how failures cross between the page and the engine worker. Comlink's own handler keeps a message and a
 * stack; this one keeps `{code, message, details}` and makes a Fault of it on the other side. Import it for its
 * effect on both sides before anything is exposed or wrapped. Not the connection itself (`engine-client.ts`).
 */

import { type TransferHandler, transferHandlers } from 'comlink';
import { type FaultReport, fromReport, toReport } from '../bytes/fault.ts';

/** What Comlink puts around a thrown value. */
interface Thrown {
  readonly value: unknown;
}

const builtIn = transferHandlers.get('throw') as TransferHandler<Thrown, unknown> | undefined;
if (!builtIn) throw new Error('Comlink no longer has a handler named "throw"');

const throwHandler: TransferHandler<Thrown, FaultReport> = {
  canHandle: (value): value is Thrown => builtIn.canHandle(value),
  serialize: ({ value }) => {
    const { code, message, details } = toReport(value);
    // Details that cannot be cloned must not hide the failure itself.
    return [{ code, message, details: plain(details) }, []];
  },
  deserialize: (report) => {
    throw fromReport(report);
  },
};

function plain(details: FaultReport['details']): FaultReport['details'] {
  try {
    return structuredClone(details);
  } catch {
    return {};
  }
}

transferHandlers.set('throw', throwHandler);
