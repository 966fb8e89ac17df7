/** What a person can do with a survey: take its recommended start into the recipe, and take its figures home as CSV. */

import type { RecommendedStart } from './engine-api.ts';
import { bytesFigure, plural } from './figures.ts';
import { anotherTurn } from './in-turns.ts';
import { startObstacle, withStart } from './recommended-start.ts';
import { sweptSentence } from './mixer-keeping.ts';
import type { Studio } from './studio.ts';
import { surveyCsv } from './survey-csv.ts';
import type { SurveyStore } from './survey-store.ts';
import type { Surroundings } from './surroundings.ts';

export interface SurveyActions {
  /** Why the recommended start cannot be used; null where it can. */
  readonly startObstacle: () => string | null;
  /** Writes the recommended start into the recipe, in one undoable step. */
  readonly useStart: () => void;
  readonly canExport: () => boolean;
  /** Hands over a CSV of all tensors. */
  readonly exportCsv: () => Promise<void>;
}

export function createSurveyActions(studio: Studio, survey: SurveyStore, surroundings: Surroundings): SurveyActions {
  const page = studio.store.getState;
  const names = () => page().checkpoints.map(({ name }) => name);
  /** Whether a text is as recommended takes reading it; it is asked after every change of anything. */
  let known: { readonly text: string; readonly start: RecommendedStart; readonly obstacle: string | null } | null =
    null;
  let isExporting = false;

  function obstacle(): string | null {
    const start = survey.store.getState().survey?.start ?? null;
    const { text, recipe, problems } = page();
    if (start === null) return 'Nothing is recommended yet: show the models first.';
    if (recipe === null || problems.length > 0) return 'The recipe has an error.';
    if (known?.text === text && known.start === start) return known.obstacle;
    const found =
      startObstacle(recipe, start) ??
      (studio.swept((own) => withStart(own, recipe, start, names())) === text ? 'The recipe is as recommended.' : null);
    known = { text, start, obstacle: found };
    return found;
  }

  return {
    startObstacle: obstacle,
    useStart() {
      const start = survey.store.getState().survey?.start ?? null;
      const { recipe } = page();
      if (start === null || recipe === null || obstacle() !== null) return;
      const swept = studio.sweep((text) => withStart(text, recipe, start, names()));
      const sentences = ['The recipe is as recommended.', sweptSentence(swept), 'Undo brings back what it was.'];
      const sentence = sentences.filter((own) => own !== null).join(' ');
      studio.store.setState({ outcome: { tone: 'plain', sentence } });
    },
    canExport: () => !isExporting && (survey.store.getState().survey?.tensors.length ?? 0) > 0,
    async exportCsv() {
      const { survey: shown } = survey.store.getState();
      if (shown === null || isExporting) return;
      isExporting = true;
      try {
        const parts: Blob[] = [];
        // Part by part: many megabytes at once would be encoded in one go.
        for await (const part of surveyCsv(shown, anotherTurn)) parts.push(new Blob([part]));
        const file = new File(parts, 'survey.csv', { type: 'text/csv' });
        surroundings.download(file, file.name);
        const sentence = `Exported survey.csv: ${plural(shown.tensors.length, 'tensor')}, ${bytesFigure(file.size)}.`;
        studio.store.setState({ outcome: { tone: 'good', sentence } });
      } finally {
        isExporting = false;
      }
    },
  };
}
