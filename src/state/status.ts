/** Status: the one sentence that says where the studio stands, and why it cannot merge where it cannot. */

import type { Finding, PlanSummary } from './engine-api.ts';
import { bytesFigure, timeLeft } from './figures.ts';
import type { StudioState, Work } from './studio.ts';

/** The status line. */
export interface Status {
  readonly tone: 'idle' | 'busy' | 'good' | 'warning' | 'bad';
  readonly sentence: string;
  /** Done share of running work from 0 to 1, null where it is not known or nothing runs. */
  readonly fraction: number | null;
  /** The fault's code, shown small. */
  readonly code: string | null;
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
    return checkpoints.length === 1
      ? 'Open a second checkpoint to merge; this one can be talked to.'
      : 'The recipe is empty.';
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

function workSentence(work: Work): string {
  const doing = DOING[work.kind];
  if (work.bytesTotal === 0) return `${doing}…`;
  const amount = `${bytesFigure(work.bytesDone)} of ${bytesFigure(work.bytesTotal)}`;
  const rate = work.bytesPerSecond > 0 ? `, ${bytesFigure(work.bytesPerSecond)} a second` : '';
  const left = work.secondsLeft === null ? '' : `, ${timeLeft(work.secondsLeft)} left`;
  return `${doing}: ${amount}${rate}${left}.`;
}

/** Where the studio stands. */
export function statusOf(state: StudioState): Status {
  const { work, fault, outcome } = state;
  // Weighing from kept statistics takes milliseconds and needs no words.
  if (work && (work.kind !== 'weigh' || work.bytesTotal > 0)) {
    const fraction = work.bytesTotal > 0 ? Math.min(1, work.bytesDone / work.bytesTotal) : null;
    return { tone: 'busy', sentence: workSentence(work), fraction, code: null };
  }
  if (fault) return { tone: 'bad', sentence: fault.message, fraction: null, code: fault.code };
  const refusal = state.refusals.at(-1);
  if (refusal && state.check === null) {
    return { tone: 'bad', sentence: refusal.report.message, fraction: null, code: refusal.report.code };
  }
  const obstacle = mergeObstacle(state);
  // What is too large to talk to can be saved, and that it was is the news.
  const isNews = outcome !== null && saveObstacle(state) === null;
  if (obstacle !== null && !isNews) {
    const isBad =
      state.problems.length > 0 || state.checkFault !== null || (state.check !== null && state.check.plan === null);
    return { tone: isBad ? 'bad' : 'idle', sentence: obstacle, fraction: null, code: state.checkFault?.code ?? null };
  }
  if (outcome) {
    return {
      tone: outcome.tone === 'plain' ? 'idle' : outcome.tone,
      sentence: outcome.sentence,
      fraction: null,
      code: null,
    };
  }
  const plan = state.check?.plan;
  if (!plan) return { tone: 'idle', sentence: 'Nothing is open.', fraction: null, code: null };
  const seconds = plan.seconds === null ? '' : `, about ${timeLeft(plan.seconds)}`;
  const copied = plan.copiedTensors > 0 ? `, ${plan.copiedTensors} copied` : '';
  const sentence = `Ready to merge: ${plan.mergedTensors} tensors${copied}, ${bytesFigure(plan.readBytes)} to read, ${bytesFigure(plan.writeBytes)} as a file${seconds}.${inBits(plan.chat)}`;
  return { tone: 'idle', sentence, fraction: null, code: null };
}

/** Chat in fewer bits than a save writes is worth saying before it is there. */
function inBits(chat: PlanSummary['chat']): string {
  if (chat === null || chat.precision === 'f32') return '';
  return ` For chat it is held in ${chat.precision === 'q8' ? '8' : '4'} bits, ${bytesFigure(chat.bytes)}.`;
}
