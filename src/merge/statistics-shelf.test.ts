/** What is known of many models is known of some of them: the same numbers as from a pass of their own, and no read. */

import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { newRecipe, parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import type { Lineup } from './lineup.ts';
import { family } from './test/checkpoints.ts';
import { surveyedLineup } from './test/survey-families.ts';

const blendOver = () => new Blend(new CpuArithmetic([]), { budgetBytes: 2 ** 28, keepsSources: false });

function lineUp(text: string, checkpoints: readonly Checkpoint[]): Lineup {
  const { lineup, findings } = check(parseRecipe(text), (name) => checkpoints.find((own) => own.name === name));
  if (!lineup) throw new Error(findings.map(({ message }) => message).join('; '));
  return lineup;
}

const textOf = (models: readonly number[], unit = 'tensor', method = 'varm') =>
  newRecipe({ method, base: 'base', models: models.map((k) => `tune-${k}`) }).replace(
    'granularity: tensor',
    `granularity: ${unit}`,
  );

const SOME = [[1, 3], [3, 1], [2], [3, 2, 1]] as const;

describe('the statistics of some of the models', () => {
  it.each(['tensor', 'model', 'row'])(
    'give the same map per %s as a pass of their own, and read nothing',
    async (unit) => {
      const models = family(3);
      const blend = blendOver();
      await blend.map(lineUp(textOf([1, 2, 3], unit), models));
      const read = models.map(({ file }) => file.bytesRead);
      for (const some of SOME) {
        const text = textOf(some, unit);
        expect(await blend.map(lineUp(text, models)), some.join()).toEqual(
          await blendOver().map(lineUp(text, family(3))),
        );
      }
      expect(models.map(({ file }) => file.bytesRead)).toEqual(read);
    },
  );

  it('serve a muted model: the map of the others comes at once', async () => {
    const models = family(3);
    const blend = blendOver();
    await blend.map(lineUp(textOf([1, 2, 3]), models));
    const read = models.map(({ file }) => file.bytesRead);
    const muted = textOf([1, 2, 3]).replace('- model: tune-2', '- model: tune-2\n    muted: true');
    const map = await blend.map(lineUp(muted, models));
    expect(map.models).toEqual(['tune-1', 'tune-3']);
    expect(models.map(({ file }) => file.bytesRead)).toEqual(read);
  });

  it('of sources themselves serve, too', async () => {
    const models = family(3);
    const blend = blendOver();
    await blend.map(lineUp(textOf([1, 2, 3], undefined, 'karcher'), models));
    const read = models.map(({ file }) => file.bytesRead);
    const text = textOf([3, 1], undefined, 'karcher');
    expect(await blend.map(lineUp(text, models))).toEqual(await blendOver().map(lineUp(text, family(3))));
    expect(models.map(({ file }) => file.bytesRead)).toEqual(read);
  });

  it('give the same survey; of three of four, only by a pass of their own', async () => {
    const models = family(4);
    const blend = blendOver();
    await blend.survey(surveyedLineup(textOf([1, 2, 3, 4]), models));
    const read = models.map(({ file }) => file.bytesRead);
    for (const some of [[1, 3], [4, 2], [2], [4, 3, 2, 1]]) {
      const lineup = surveyedLineup(textOf(some), models);
      const own = surveyedLineup(textOf(some), family(4));
      const other = blendOver();
      expect(await blend.survey(lineup)).toEqual(await other.survey(own));
      expect(blend.histogram(lineup, null)).toEqual(other.histogram(own, null));
    }
    expect(models.map(({ file }) => file.bytesRead)).toEqual(read);
    const three = surveyedLineup(textOf([1, 2, 4]), models);
    expect(blend.isSurveyDue(three)).toBe(true);
    expect(await blend.survey(three)).toEqual(await blendOver().survey(surveyedLineup(textOf([1, 2, 4]), family(4))));
  });

  it('are not taken from another base, nor for a model that was not there', async () => {
    const models = family(3);
    const blend = blendOver();
    await blend.map(lineUp(textOf([1, 2]), models));
    expect(blend.needsMeasuring(lineUp(textOf([1, 3]), models))).toBe(true);
    const swapped = newRecipe({ method: 'varm', base: 'tune-1', models: ['tune-2'] });
    expect(blend.needsMeasuring(lineUp(swapped, models))).toBe(true);
    expect(blend.needsMeasuring(lineUp(textOf([2]), models))).toBe(false);
    expect(blend.needsMeasuring(lineUp(textOf([2]), family(3)))).toBe(true);
  });
});
