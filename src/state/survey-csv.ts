/** Survey CSV: every tensor with every figure, in full precision, as parts of a file. Not what the table shows of it. */

import type { Survey } from './engine-api.ts';
import { pairsOf } from './survey-table.ts';

/** Lines that are made before others get a turn. */
const SLICE = 1000;

/** A field as RFC 4180 has it; what a spreadsheet would take for a formula gets an apostrophe. */
function field(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A number with all its digits; empty where nothing was measured. */
function number(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '' : String(value);
}

/**
 * The survey as CSV, in parts of a text, the heading first.
 * @param pause lets others have a turn, between two parts.
 */
export async function* surveyCsv(survey: Survey, pause: () => Promise<void>): AsyncGenerator<string> {
  const { models, tensors } = survey;
  const pairs = pairsOf(models.length);
  const perModel = [
    ['relative change', survey.relativeChange],
    ['rms change', survey.rmsChange],
    ['largest change', survey.maxChange],
    ['unchanged share', survey.unchangedShare],
  ] as const;
  const perPair = [
    ['cosine', survey.cosines],
    ['conflict share', survey.conflicts],
  ] as const;
  const heads = [
    ...['tensor', 'layer', 'module', 'dtype', 'shape', 'elements', 'base rms'],
    ...perModel.flatMap(([name]) => models.map((model) => `${name} of ${model}`)),
    ...perPair.flatMap(([name]) => pairs.map(([i, j]) => `${name} of ${models[i] ?? ''} and ${models[j] ?? ''}`)),
    'conflict share',
  ];
  yield `${heads.map(field).join(',')}\n`;
  for (let start = 0; start < tensors.length; start += SLICE) {
    if (start > 0) await pause();
    let part = '';
    for (let t = start; t < Math.min(start + SLICE, tensors.length); t++) {
      const layer = survey.layers[t] ?? -1;
      const fields = [
        field(tensors[t] ?? ''),
        layer < 0 ? '' : String(layer),
        field(survey.moduleNames[survey.modules[t] ?? -1] ?? ''),
        field(survey.dtypeNames[survey.dtypes[t] ?? -1] ?? ''),
        field(survey.shapeNames[survey.shapes[t] ?? -1] ?? ''),
        number(survey.elements[t]),
        number(survey.baseRms[t]),
        ...perModel.flatMap(([, values]) => models.map((_, m) => number(values[t * models.length + m]))),
        ...perPair.flatMap(([, values]) => pairs.map((_, p) => number(values[t * pairs.length + p]))),
        number(survey.conflictShare[t]),
      ];
      part += `${fields.join(',')}\n`;
    }
    yield part;
  }
}
