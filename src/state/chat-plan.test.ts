import { describe, expect, it } from 'vitest';
import { fileBytes } from '../bytes/file-bytes.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoints } from '../formats/open.ts';
import type { Arithmetic } from '../merge/arithmetic.ts';
import { chatModelOf, lineupOf } from './chat-model.ts';
import { cacheBytesPerToken } from '../chat/cache.ts';
import { capacityTokensFor, chatPlans } from './chat-plan.ts';
import { Speakers } from './speakers.ts';
import { fixture, STORIES } from './test/family.ts';

const MIB = 2 ** 20;

async function stories(without: readonly string[] = []): Promise<Checkpoint> {
  const files = (await fixture(STORIES)).filter(({ file }) => !without.includes(file.name));
  const given = files.map(({ path, file }) => ({ path, bytes: fileBytes(file, path) }));
  const [checkpoint] = (await openCheckpoints(given, [])).checkpoints;
  if (!checkpoint) throw new Error('the fixture did not open');
  return checkpoint;
}

/** A place of which only planning is asked. */
const GPU = { place: 'gpu', batchBytes: 64 * MIB, depth: 2 } as Arithmetic;

describe('how a model is held', () => {
  it('gives a context as large as the model’s or as the budget allows, in powers of two', async () => {
    const { architecture } = chatModelOf(lineupOf(await stories()));
    expect(cacheBytesPerToken(architecture)).toBe(2 * 5 * 4 * 8 * 4);
    expect(capacityTokensFor(architecture, 1024 * MIB)).toBe(512);
    const long = { ...architecture, contextTokens: 131_072 };
    expect(capacityTokensFor(long, 1024 * MIB)).toBe(8192);
    expect(capacityTokensFor(long, 16 * MIB)).toBe(1024);
    expect(capacityTokensFor(long, 16.5 * MIB)).toBe(1024);
    expect(capacityTokensFor(long, 1)).toBe(512);
  });

  it('goes to fewer bits by itself, not where a person chose', async () => {
    const model = chatModelOf(lineupOf(await stories()));
    const limits = { budgetBytes: 64 * MIB, heldBytes: 0, isGpu: true };
    const auto = chatPlans(model, { ...limits, choice: 'auto' });
    expect(auto.map(({ precision }) => precision)).toEqual(['f32', 'q8', 'q4']);
    expect(auto[1]?.reason).toMatch(/8 bits, as more does not fit/);
    expect(chatPlans(model, { ...limits, choice: 'q8' }).map(({ precision }) => precision)).toEqual(['q8']);
    // Without a GPU there is float32 alone.
    expect(chatPlans(model, { ...limits, isGpu: false, choice: 'q4' }).map(({ precision }) => precision)).toEqual([
      'f32',
    ]);
    // What is not a matrix stays as it is.
    expect(auto[2]?.forms.get('model.norm.weight')).toBe('f32');
    expect(auto[2]?.forms.get('model.layers.0.mlp.up_proj.weight')).toBe('q4');
  });

  it('can be talked to in fewer bits where float32 was too large to hold, and says so', async () => {
    const lineup = lineupOf(await stories());
    const planned = (budgetBytes: number, choice: 'auto' | 'f32' = 'auto') => {
      const { plan, held } = new Speakers(GPU, { budgetBytes, choice }).plan(lineup);
      return [plan.mode === 'streaming' ? 'streaming' : 'held', held?.plan.precision ?? null];
    };
    expect(planned(64 * MIB)).toEqual(['held', 'f32']);
    expect(planned(2.4 * MIB)).toEqual(['held', 'q8']);
    expect(planned(1.9 * MIB)).toEqual(['held', 'q4']);
    // The weights alone would fit, a conversation beside them would not.
    expect(planned(1.7 * MIB)).toEqual(['streaming', null]);
    expect(planned(2.4 * MIB, 'f32')).toEqual(['streaming', null]);
    expect(planned(MIB / 4)).toEqual(['streaming', null]);
  });

  it('stays in float32 where nobody can talk to the result', async () => {
    const lineup = lineupOf(await stories(['tokenizer.json']));
    expect(() => chatModelOf(lineup)).toThrow(/no tokenizer beside its weights/);
    const speakers = new Speakers(GPU, { budgetBytes: 64 * MIB, choice: 'q4' });
    expect(speakers.plan(lineup)).toMatchObject({ held: null, plan: { mode: 'resident' } });
    expect(speakers.blend.formOf('model.layers.0.mlp.up_proj.weight', [1, 32])).toBe('f32');
  });
});

it('says before anything is read where a model is too large for the processor', async () => {
  const lineup = lineupOf(await stories());
  const large = new Speakers({ ...GPU, place: 'cpu' } as Arithmetic, { budgetBytes: 4096 * MIB, choice: 'auto' });
  expect(large.obstacle(lineup)).toBeNull();
  const model = chatModelOf(lineup) as { parameters: number };
  model.parameters = 1.1e9;
  expect(large.obstacle(lineup)).toMatch(/1\.1 billion parameters; without WebGPU/);
  expect(large.plan(lineup).held).toBeNull();
  expect(new Speakers(GPU, { budgetBytes: 4096 * MIB, choice: 'auto' }).obstacle(lineup)).toBeNull();
});
