/** Status: the one sentence that says where the studio stands, and why it cannot merge where it cannot. */

import type { Finding, PlanSummary } from './engine-api.ts';
import { bytesFigure, timeLeft } from './figures.ts';
import { bytesPerSecondOf, fractionOf, secondsLeftOf } from './progress.ts';
import type { StudioState, Work } from './studio.ts';

/** The status line. */
export interface Status {
  readonly tone: 'idle' | 'busy' | 'good' | 'warning' | 'bad';
  readonly sentence: string;
  /** Done share of running work from 0 to 1, null where it is not known or nothing runs. */
  readonly fraction: number | null;
  /** The fault's code, shown small. */
  readonly code: string | null;
  /** How far work is, where its sentence does not say it; null elsewhere. */
  readonly figures: Figures | null;
}

/** How far work is. These change all the time: they are shown, and not read out. */
export interface Figures {
  readonly done: string;
  readonly total: string;
  /** Null while nothing was done. */
  readonly rate: string | null;
  /** Null while nobody can say. */
  readonly left: string | null;
}

const DOING: Readonly<Record<Work['kind'], string>> = {
  open: 'Opening',
  fetch: 'Fetching the samples',
  weigh: 'Measuring',
  blend: 'Merging',
  save: 'Saving',
};

/** Why Merge and Save cannot be pressed; null where they can. */
export function mergeObstacle(state: StudioState): string | null {
  const obstacle = saveObstacle(state);
  if (obstacle !== null) return obstacle;
  if (state.check?.plan?.mode === 'streaming') {
    return 'The result is too large to hold in the memory budget and cannot be talked to. Save writes it all the same.';
  }
  return null;
}

/** True where the pre-flight refuses: Merge can be pressed all the same, and the engine answers with the reason. */
export function isRefused({ checkpoints, problems, check }: StudioState): boolean {
  return checkpoints.length > 0 && problems.length === 0 && check !== null && check.plan === null;
}

/** Why Save cannot be pressed; null where it can. */
export function saveObstacle(state: StudioState): string | null {
  const { checkpoints, text, problems, checkFault, check } = state;
  if (checkpoints.length === 0) return 'Open a base model and its fine-tunes to merge them.';
  if (text.trim() === '') {
    const [first, second] = checkpoints;
    if (second) return 'The recipe is empty. Undo, open a recipe, or write one.';
    return first?.chatObstacle === null
      ? 'Open a second checkpoint to merge; this one can be talked to.'
      : 'Open a second checkpoint to merge.';
  }
  const [problem] = problems;
  if (problem) return `The recipe has an error in line ${problem.line}, column ${problem.column}: ${problem.message}`;
  if (checkFault) return checkFault.message;
  if (check === null) return 'Checking the recipe.';
  if (check.plan === null) {
    const error = check.findings.find(({ severity }) => severity === 'error');
    return error ? `${error.message}${tensorList(error)}` : 'These checkpoints cannot be merged.';
  }
  return null;
}

/** The first tensors of a finding in brackets, where its sentence does not name them already. */
function tensorList({ message, tensors, tensorCount }: Finding): string {
  const shown = tensors.slice(0, 3).filter((name) => !message.includes(name));
  if (shown.length === 0) return '';
  const more = tensorCount - tensors.slice(0, 3).length;
  return ` (${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''})`;
}

/** What is going on where: which kind of work, what computes, and whether files are read or written. */
function workSentence({ kind, pace }: Work, engine: StudioState['engine']): string {
  const doing = DOING[kind];
  if (pace.bytesTotal === 0) return `${doing}…`;
  if (pace.phase === null) return `${doing}: ${bytesFigure(pace.bytesDone)} of ${bytesFigure(pace.bytesTotal)}.`;
  const place = (kind === 'save' ? engine?.savesOn : undefined) ?? engine?.place ?? 'cpu';
  const where = place === 'gpu' ? 'on the GPU' : 'on the CPU';
  const source = pace.isInMemory ? 'from memory' : 'reading the files';
  // Weights that tensors share have to be known before anything is merged.
  if (pace.phase === 'measure') return `${doing}${kind === 'weigh' ? '' : ', first measuring'} ${where}, ${source}.`;
  return kind === 'save' ? `${doing}: merging ${where}, ${source}, writing.` : `${doing} ${where}, ${source}.`;
}

/** Work in two words for a window's title: `42% Merging`. */
export function titleOf({ kind, pace }: Work): string {
  const fraction = fractionOf(pace);
  return fraction === null ? DOING[kind] : `${Math.floor(fraction * 100)}% ${DOING[kind]}`;
}

function figuresOf({ pace }: Work, nowMs: number): Figures | null {
  if (pace.phase === null || pace.bytesTotal === 0) return null;
  const rate = bytesPerSecondOf(pace);
  const seconds = secondsLeftOf(pace, nowMs);
  return {
    done: bytesFigure(pace.bytesDone),
    total: bytesFigure(pace.bytesTotal),
    rate: rate > 0 ? `${bytesFigure(rate)}/s` : null,
    left: seconds === null ? null : `${timeLeft(seconds)} left`,
  };
}

/** Where the studio stands; `nowMs` is the page's clock, which the time left is counted down by. */
export function statusOf(state: StudioState, nowMs: number = performance.now()): Status {
  const { work } = state;
  // Weighing from kept statistics takes milliseconds and needs no words.
  if (work && (work.kind !== 'weigh' || work.pace.bytesTotal > 0)) {
    const sentence = workSentence(work, state.engine);
    return { tone: 'busy', sentence, fraction: fractionOf(work.pace), code: null, figures: figuresOf(work, nowMs) };
  }
  return { ...statusAtRest(state), fraction: null, figures: null };
}

/** Where it stands while nothing runs. */
function statusAtRest(state: StudioState): Pick<Status, 'tone' | 'sentence' | 'code'> {
  const { fault, outcome } = state;
  if (fault) return { tone: 'bad', sentence: fault.message, code: fault.code };
  const refusal = state.refusals.at(-1);
  if (refusal && state.check === null) {
    return { tone: 'bad', sentence: refusal.report.message, code: refusal.report.code };
  }
  const obstacle = mergeObstacle(state);
  // What is too large to talk to can be saved, and that it was is the news.
  const isNews = outcome !== null && saveObstacle(state) === null;
  if (obstacle !== null && !isNews) {
    const isBad =
      state.problems.length > 0 || state.checkFault !== null || (state.check !== null && state.check.plan === null);
    return { tone: isBad ? 'bad' : 'idle', sentence: obstacle, code: state.checkFault?.code ?? null };
  }
  if (outcome) {
    return {
      tone: outcome.tone === 'plain' ? 'idle' : outcome.tone,
      sentence: outcome.sentence,

      code: null,
    };
  }
  const plan = state.check?.plan;
  if (!plan) return { tone: 'idle', sentence: 'Nothing is open.', code: null };
  const seconds = plan.seconds === null ? '' : `, about ${timeLeft(plan.seconds)}`;
  const copied = plan.copiedTensors > 0 ? `, ${plan.copiedTensors} copied` : '';
  const sentence = `Ready to merge: ${plan.mergedTensors} tensors${copied}, ${bytesFigure(plan.readBytes)} to read, ${bytesFigure(plan.writeBytes)} as a file${seconds}.${inBits(plan.chat)}`;
  return { tone: 'idle', sentence, code: null };
}

/** Chat in fewer bits than a save writes is worth saying before it is there. */
function inBits(chat: PlanSummary['chat']): string {
  if (chat === null || chat.precision === 'f32') return '';
  return ` For chat it is held in ${chat.precision === 'q8' ? '8' : '4'} bits, ${bytesFigure(chat.bytes)}.`;
}
