/**
 * StepReplacing: the ways in which a recorded step can be run: as it was recorded, and with more and more of it exchanged
 * for kernels of our own. Which one gives the right numbers is for `session.ts` to find out.
 */

import { DECODE_ATTENTION } from './step-attention.ts';
import { DECODE_MATRICES } from './step-matrices.ts';
import type { StepRecording, StepReplacement } from './step-recording.ts';
import type { Replaced, StepFacts, StepReplacer } from './step-replacement.ts';

/** All kinds, in the order in which they are added; the last one is the first to be given up. */
const REPLACERS: readonly StepReplacer[] = [DECODE_ATTENTION, DECODE_MATRICES];

/** One way to run a step. */
export interface StepWay {
  readonly recording: StepRecording;
  /** What is exchanged. */
  readonly kinds: readonly StepReplacer['kind'][];
  /** Whether it is right for texts that are longer than a window of attention. */
  readonly seesWindows: boolean;
  /** Frees what it has and the way before it has not. */
  dispose(): void;
}

/** The ways, each with one kind more than the one before; the first has none. */
export async function waysOf(
  recording: StepRecording,
  facts: StepFacts,
  replacers: readonly StepReplacer[] = REPLACERS,
): Promise<[StepWay, ...StepWay[]]> {
  const ways: [StepWay, ...StepWay[]] = [{ recording, kinds: [], seesWindows: false, dispose: () => undefined }];
  let exchanged: readonly StepReplacement[] = [];
  for (const { kind, seesWindows, replace } of replacers) {
    // What a device refuses to compile is left as it is, like what is not recognised.
    const replaced: Replaced | null = await replace(recording, facts).catch(() => null);
    if (replaced === null) continue;
    const all = [...exchanged, ...replaced.replacements];
    const before = ways.at(-1);
    try {
      ways.push({
        recording: recording.with(all),
        kinds: [...(before?.kinds ?? []), kind],
        seesWindows: seesWindows || before?.seesWindows === true,
        dispose: () => replaced.dispose(),
      });
      exchanged = all;
    } catch {
      // It would exchange what another kind has exchanged.
      replaced.dispose();
    }
  }
  return ways;
}
