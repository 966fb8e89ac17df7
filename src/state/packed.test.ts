import { MessageChannel } from 'node:worker_threads';
import { type Endpoint, expose, type Remote, wrap } from 'comlink';
import { afterEach, describe, expect, it } from 'vitest';
import type { MapCell, WeightsMap } from './engine-api.ts';
import { engineOver } from './engine-client.ts';
import { engineDouble } from './engine-double.ts';
import { type EngineWire, onWire } from './engine-wire.ts';
import { packedMap, packedSurvey, packedTexts, unpackingMap, unpackingTexts } from './packed.ts';
import { surveyOf } from './survey-double.ts';

/** A map of three models, `layers` rows and four columns, no two cells alike. */
function mapOf(layers: number): WeightsMap {
  const cells = Array.from({ length: layers * 4 }, (_, c): MapCell => {
    const isMeasured = c % 5 !== 0;
    return {
      row: Math.floor(c / 4),
      column: c % 4,
      filters: Array.from({ length: c % 3 }, (__, f) => `layers.${c}.é${f}\n`),
      tensors: c + 1,
      elements: c * 1e10,
      weights: [c / 7, Number.NaN, -c],
      ranges: [
        [0, c],
        [Number.NaN, Number.NaN],
        [-c, Number.POSITIVE_INFINITY],
      ],
      rmsChange: isMeasured ? [c, Number.NaN, 1 / c] : null,
      changedShare: isMeasured ? [0, 1, c / 100] : null,
      isSet: [c % 2 === 0, false, true],
      setBy: [null, c % 4 === 0 ? 'mlp' : null, `layers.${c}.`],
    };
  });
  return {
    detail: 'modules',
    models: ['a', 'b', 'c'],
    isMuted: [false, true, false],
    handle: 'weight',
    handleMin: -1,
    handleMax: 2,
    rows: Array.from({ length: layers }, (_, r) => ({ label: `layer ${r}`, filters: r % 2 === 0 ? [] : [`l.${r}.`] })),
    columns: ['q', 'k', 'v', ''],
    cells,
    note: '',
  };
}

/** How many values a message consists of; a column of numbers is one. */
function valuesIn(message: unknown): number {
  if (typeof message !== 'object' || message === null || ArrayBuffer.isView(message)) return 1;
  return Object.values(message).reduce((sum: number, own) => sum + valuesIn(own), 1);
}

/** Takes all steps; how many there were beside the result. */
function stepped<T>(steps: Generator<undefined, T>): { value: T; turns: number } {
  for (let turns = 0; ; turns++) {
    const { done, value } = steps.next();
    if (done === true) return { value, turns };
  }
}

const ports: { close(): void }[] = [];
afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

describe('packed', () => {
  it('brings back texts of any length and letters', () => {
    const texts = ['', 'a', 'ä\n', '', '𝄞.weight', 'x'.repeat(1000), ''];
    expect(stepped(unpackingTexts(packedTexts(texts))).value).toEqual(texts);
    expect(stepped(unpackingTexts(packedTexts([]))).value).toEqual([]);
  });

  it('brings back a weights map as it was, and one without cells', () => {
    for (const map of [mapOf(0), mapOf(1), mapOf(50)]) expect(stepped(unpackingMap(packedMap(map))).value).toEqual(map);
  });

  it('is a message of the same few values however large the model is', () => {
    const sizes = [10, 2000].map((layers) => valuesIn({ ...packedMap(mapOf(layers)), setByWords: [] }));
    expect(new Set(sizes).size).toBe(1);
    const names = (count: number) => Array.from({ length: count }, () => 'layers.1.mlp.weight');
    const surveys = [10, 3000].map((count) => valuesIn(packedSurvey(surveyOf(names(count), ['a', 'b']))));
    expect(new Set(surveys).size).toBe(1);
  });

  it('is unpacked with turns for others in between, none of them for longer than another', () => {
    expect(stepped(unpackingMap(packedMap(mapOf(10)))).turns).toBe(0);
    const [some, many] = [2000, 8000].map((layers) => stepped(unpackingMap(packedMap(mapOf(layers)))).turns);
    expect(some).toBeGreaterThanOrEqual(4);
    expect(many).toBeGreaterThanOrEqual(4 * (some ?? 0));
  });

  it('crosses between the engine and the page, and leaves the engine what it has', async () => {
    const double = engineDouble();
    const { port1, port2 } = new MessageChannel();
    ports.push(port1, port2);
    expose(onWire(double.engine), port1 as unknown as Endpoint);
    port1.start();
    const page = engineOver(wrap<EngineWire>(port2 as unknown as Endpoint) as Remote<EngineWire>);
    const map = mapOf(500);
    const survey = surveyOf(['embed.weight', 'layers.0.mlp.weight'], ['a', 'b']);
    double.answer('weigh', () => map);
    double.answer('survey', () => survey);
    double.answer('tensors', () => survey.tensors);
    expect(await page.weigh('', () => {})).toEqual(map);
    expect(await page.tensors('')).toEqual(survey.tensors);
    expect(await page.survey('', () => {})).toEqual(survey);
    // A second time: nothing was taken from the first.
    expect(survey.elements).toHaveLength(2);
    expect(await page.survey('', () => {})).toEqual(survey);
  });
});
