/** MapAbsence: why there is no weights map, and what brings one. One sentence; pure. */

import { bytesFigure } from './figures.ts';
import type { StudioState } from './studio.ts';

/** What stands in the place of the map while there is none. */
export function mapAbsence({
  checkpoints,
  text,
  problems,
  check,
  checkFault,
  awaitsMeasure,
  work,
}: StudioState): string {
  if (text.trim() === '') {
    return checkpoints.length > 1
      ? 'The map shows what the recipe says. Undo, or open a recipe, and it appears here.'
      : 'Open a second checkpoint, and the share of each model appears here, layer by layer.';
  }
  if (problems.length > 0) return 'The map appears here once the recipe below can be read.';
  if (checkFault || (check && check.plan === null)) {
    return 'The map appears here once these models can be merged. What is in the way stands above and beside Merge.';
  }
  if (work?.kind === 'weigh' || work?.kind === 'blend') {
    return 'The models are being read. The share of each appears here, layer by layer.';
  }
  if (awaitsMeasure && check?.plan) {
    return `Measuring reads ${bytesFigure(check.plan.readBytes)} once. Press Measure to see the weights first, or Merge to do both.`;
  }
  return 'Layer by layer and module by module, the share of each model appears here.';
}

/** Whether a map is on its way, so that its room is kept. */
export function mapIsComing({ recipe, problems, check, checkFault }: StudioState): boolean {
  return recipe !== null && problems.length === 0 && checkFault === null && check?.plan !== null;
}
