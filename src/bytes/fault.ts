/**
 * Fault: a failure that a person can do something about.
 *
 * One class per remedy, each with a stable code. The message is one sentence that names the file, tensor or
 * recipe line and says what to do. A Fault is not a stack trace, and a bug is not a Fault: anything that is not
 * an instance of Fault is a defect of ours and is reported as such.
 *
 * Faults cross worker borders as `{code, message, details}` (see `toReport` and `fromReport`), because a class
 * does not survive structured cloning.
 */

/** The closed set of remedies. */
export type FaultCode =
  | 'malformed' // the file is broken: fetch or export it again
  | 'missing' // something needed is not there: add it
  | 'unsupported' // understood, but not something Fusewright does: choose another
  | 'mismatch' // the checkpoints do not fit each other: choose siblings
  | 'recipe' // the recipe says something wrong: edit the line
  | 'budget' // it would not fit: raise the budget or shrink the work
  | 'device' // the GPU is absent, lost or refuses: reload or go without
  | 'output' // the destination cannot be written: choose another
  | 'cancelled' // the user stopped it: nothing to mend
  | 'defect'; // a bug in Fusewright: report it

/** Facts beside the sentence: tensor names, file, line, column, sizes. Plain data only (it is cloned). */
export type FaultDetails = Readonly<Record<string, unknown>>;

/** What a fault looks like on the other side of a worker. */
export interface FaultReport {
  readonly code: FaultCode;
  readonly message: string;
  readonly details: FaultDetails;
}

/** Base of all faults; use a subclass. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly details: FaultDetails;

  constructor(code: FaultCode, message: string, details: FaultDetails = {}) {
    super(message);
    this.name = 'Fault';
    this.code = code;
    this.details = details;
  }
}

function faultClass(code: FaultCode) {
  return class extends Fault {
    constructor(message: string, details: FaultDetails = {}) {
      super(code, message, details);
    }
  };
}

/** The file is broken; remedy: get it again. */
export class MalformedFault extends faultClass('malformed') {}
/** Something that is needed is not there; remedy: add it. */
export class MissingFault extends faultClass('missing') {}
/** Understood but not done by Fusewright; remedy: choose another input or option. */
export class UnsupportedFault extends faultClass('unsupported') {}
/** The checkpoints do not fit together; remedy: choose siblings. */
export class MismatchFault extends faultClass('mismatch') {}
/** The recipe is wrong; remedy: edit it. `details` may hold `line`, `column` (both from 1) and `suggestion`. */
export class RecipeFault extends faultClass('recipe') {}
/** It would not fit in the byte budget or the device; remedy: a larger budget or less work. */
export class BudgetFault extends faultClass('budget') {}
/** The GPU is absent, lost or refuses the work; remedy: reload, or run without it. */
export class DeviceFault extends faultClass('device') {}
/** The destination cannot be written; remedy: choose another. */
export class OutputFault extends faultClass('output') {}
/** The user stopped the work. */
export class CancelledFault extends faultClass('cancelled') {}

/** Turns anything thrown into a report that can be cloned. What is not a Fault is a defect of ours. */
export function toReport(thrown: unknown): FaultReport {
  if (thrown instanceof Fault) return { code: thrown.code, message: thrown.message, details: thrown.details };
  if (thrown instanceof DOMException && thrown.name === 'AbortError') {
    return { code: 'cancelled', message: 'Stopped.', details: {} };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: 'defect', message: `Fusewright ran into a bug of its own: ${message}`, details: {} };
}

/** Makes a Fault again from its report. */
export function fromReport(report: FaultReport): Fault {
  return new Fault(report.code, report.message, report.details);
}

/** Throws a CancelledFault where the signal has been aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CancelledFault('Stopped before it was finished; nothing was kept.');
}

/**
 * The first line of whatever was thrown, for a message of ours.
 * @param end what it ends with where it is no sentence yet; an empty one takes its full stop away.
 */
export function sentenceOf(cause: unknown, end = '.'): string {
  const line = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';
  if (end === '') return line.replace(/\.$/, '');
  return /[.!?]$/.test(line) ? line : line + end;
}
