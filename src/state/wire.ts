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

const throwHandler: TransferHandler<Thrown, unknown> = {
  canHandle: (value): value is Thrown => builtIn.canHandle(value),
  serialize: ({ value }) => {
    const { code, message, details } = toReport(value);
    // Details that cannot be cloned must not hide the failure itself.
    return [{ code, message, details: plain(details) }, []];
  },
  deserialize: (sent) => {
    // A worker that knows nothing of faults (the CPU path's arithmetic) sends Comlink's own form.
    if (!isReport(sent)) return builtIn.deserialize(sent);
    throw fromReport(sent);
  },
};

function isReport(sent: unknown): sent is FaultReport {
  return typeof sent === 'object' && sent !== null && 'code' in sent && 'message' in sent && 'details' in sent;
}

function plain(details: FaultReport['details']): FaultReport['details'] {
  try {
    return structuredClone(details);
  } catch {
    return {};
  }
}

transferHandlers.set('throw', throwHandler);
