import { describe, expect, it } from 'vitest';
import { createChat } from './chat-store.ts';
import { blendReport, checkpoint, engineDouble } from './engine-double.ts';
import { createPerplexity, scoredSpeakers } from './perplexity.ts';
import { speakerChoices } from './speaker-choices.ts';
import { createStudio } from './studio.ts';

const SCORE = { tokens: 3, perplexity: 8, bitsPerByte: 1, pieces: [] };

function bench() {
  const double = engineDouble();
  const studio = createStudio(double.engine);
  studio.store.setState({ checkpoints: [checkpoint('one'), checkpoint('mute', { chatObstacle: 'no' })] });
  const perplexity = createPerplexity(studio, createChat(studio));
  const labels = () =>
    scoredSpeakers(perplexity.store.getState(), speakerChoices(studio.store.getState())).map(({ label }) => label);
  return { ...double, studio, perplexity, labels, rows: () => perplexity.store.getState().rows };
}

describe('perplexity', () => {
  it('asks everybody who can talk, until one is left out', () => {
    const { studio, perplexity, labels } = bench();
    expect(labels()).toEqual(['one']);
    studio.store.setState({ blend: blendReport(4) });
    expect(labels()).toEqual(['Merged model', 'one']);
    perplexity.include({ kind: 'checkpoint', name: 'one' }, false);
    expect(labels()).toEqual(['Merged model']);
    perplexity.include({ kind: 'checkpoint', name: 'one' }, true);
    expect(labels()).toEqual(['Merged model', 'one']);
  });

  it('shows progress, results and what failed, each in its row', async () => {
    const { studio, perplexity, of, rows } = bench();
    studio.store.setState({ blend: blendReport(4) });
    perplexity.setText('Once');
    const scoring = perplexity.start();
    await perplexity.start();
    expect(of('score')).toHaveLength(1);
    expect(of('score')[0]?.args.slice(0, 2)).toEqual([
      [{ kind: 'blend' }, { kind: 'checkpoint', name: 'one' }],
      'Once',
    ]);
    const onProgress = of('score')[0]?.args[2] as (column: number, done: number, tokens: number) => void;
    onProgress(1, 2, 3);
    expect(rows().map(({ phase, tokensDone }) => [phase, tokensDone])).toEqual([
      ['waiting', 0],
      ['running', 2],
    ]);
    of('score')[0]?.resolve([{ score: SCORE }, { fault: { code: 'budget', message: 'Too large.', details: {} } }]);
    await scoring;
    expect(rows()).toMatchObject([
      { label: 'Merged model', blend: 4, phase: 'done', score: SCORE },
      { phase: 'failed', fault: { code: 'budget' } },
    ]);
    expect(perplexity.store.getState()).toMatchObject({ isRunning: false, scoredText: 'Once' });
  });

  it('asks nobody without a text, and stops only what runs', async () => {
    const { perplexity, of, answer } = bench();
    answer('stop', () => undefined);
    await perplexity.start();
    await perplexity.stop();
    expect([of('score').length, of('stop').length]).toEqual([0, 0]);
    perplexity.setText('x');
    const scoring = perplexity.start();
    await perplexity.stop();
    of('score')[0]?.reject(new Error('gone'));
    await scoring;
    expect(perplexity.store.getState().rows).toMatchObject([{ phase: 'failed', fault: { code: 'defect' } }]);
  });
});
