import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { isRecord } from './parameter-value.ts';
import {
  clearFiltered,
  setBase,
  setDtype,
  setFilteredValue,
  setMethod,
  setModels,
  setMuted,
  setParameter,
} from './yaml.ts';

/** A comment at every place that a recipe has; each names what it is about, with which alone it may go. */
const TEXT = `# 1 always
merge_method: linear # 2 always
# 3 base_model
base_model: base # 4 base_model

# 5 always
models: # 6 always
  # 7 always
  - model: a # 8 a
    # 9 a.muted
    muted: true # 10 a.muted
    # 11 a.parameters
    parameters: # 12 a.parameters
      # 13 a.parameters
      weight: 0.50 # 14 a.weight.rest
      # 15 a.parameters
    # 16 a
  # 17 b
  - model: b   # 18 b
    parameters:
      weight:
        # 19 b.weight
        - filter: mlp # 20 b.weight.mlp
          value: 1 # 21 b.weight.mlp
        # 22 b.weight.attn
        - filter: attn
          value: 2
          # 23 b.weight.attn
        # 24 b.weight.rest
        - value: [0.1, 0.3] # 25 b.weight.rest
        # 26 b.weight
  - model: c
    parameters: {weight: 3} # 27 c.parameters
  # 28 always

# 29 normalize
parameters:
  # 30 normalize
  normalize: false # 31 normalize
# 32 dtype
dtype: float32 # 33 dtype

# 34 always
`;

const COMMENTS = TEXT.match(/# .*/g) ?? [];

/** Everything that a comment above may be about, as far as the recipe still says it. */
function thingsIn(text: string): Set<string> {
  const data: unknown = parse(text);
  const things = new Set(['always']);
  if (!isRecord(data)) return things;
  for (const key of ['base_model', 'dtype']) if (Object.hasOwn(data, key)) things.add(key);
  if (isRecord(data.parameters) && Object.hasOwn(data.parameters, 'normalize')) things.add('normalize');
  for (const own of Array.isArray(data.models) ? (data.models as unknown[]) : []) {
    if (!isRecord(own)) continue;
    const name = String(own.model);
    things.add(name);
    if (own.muted !== undefined) things.add(`${name}.muted`);
    if (!isRecord(own.parameters)) continue;
    things.add(`${name}.parameters`);
    const { weight } = own.parameters;
    if (weight === undefined) continue;
    things.add(`${name}.weight`);
    const entries = Array.isArray(weight) && weight.every(isRecord) ? weight : [{ value: weight }];
    for (const { filter } of entries) things.add(`${name}.weight.${filter === undefined ? 'rest' : String(filter)}`);
  }
  return things;
}

/** Comments that are gone although what they are about is there. */
function lost(before: string, after: string): string[] {
  const things = thingsIn(after);
  return COMMENTS.filter(
    (comment) => before.includes(comment) && !after.includes(comment) && things.has(comment.split(' ')[2] ?? ''),
  );
}

type Edit = (text: string) => string;

const model = fc.constantFrom('a', 'b', 'c');
const some = fc.subarray(['a', 'b', 'c'], { minLength: 1 });
const value = fc.constantFrom(0.25, 0.75, 2, null);
const filter = fc.constantFrom('mlp', 'attn', 'layers.3.');
/** Only models that are listed can be edited. */
const listed = (text: string) => {
  const { models } = parse(text) as { models: { model: string }[] };
  return new Set(models.map((own) => own.model));
};
const onListed =
  (name: string, change: Edit): Edit =>
  (text) =>
    listed(text).has(name) ? change(text) : text;

/** One step of the mixer, or of a hand. */
const edit: fc.Arbitrary<{ readonly say: string; readonly change: Edit }> = fc.oneof(
  fc.record({ model, filter, value }).map((own) => ({
    say: `setFilteredValue ${JSON.stringify(own)}`,
    change: onListed(own.model, (text) => setFilteredValue(text, { ...own, name: 'weight' })),
  })),
  fc.record({ model, value }).map((own) => ({
    say: `setParameter ${JSON.stringify(own)}`,
    change: onListed(own.model, (text) => setParameter(text, { ...own, name: 'weight' })),
  })),
  fc.record({ model, isMuted: fc.boolean() }).map((own) => ({
    say: `setMuted ${JSON.stringify(own)}`,
    change: onListed(own.model, (text) => setMuted(text, [own.model], own.isMuted)),
  })),
  fc.constantFrom('a', 'b', null).map((own) => ({
    say: `clearFiltered ${own}`,
    change:
      own === null
        ? (text: string) => clearFiltered(text, { model: null, name: 'weight' })
        : onListed(own, (text) => clearFiltered(text, { model: own, name: 'weight' })),
  })),
  fc
    .constantFrom('linear', 'ties', 'varm')
    .map((own) => ({ say: `setMethod ${own}`, change: (text: string) => setMethod(text, own) })),
  fc
    .shuffledSubarray(['a', 'b', 'c', 'd'], { minLength: 1 })
    .map((own) => ({ say: `setModels ${own}`, change: (text: string) => setModels(text, own) })),
  fc
    .constantFrom('base', 'other')
    .map((own) => ({ say: `setBase ${own}`, change: (text: string) => setBase(text, own) })),
  fc
    .constantFrom('float16', null)
    .map((own) => ({ say: `setDtype ${own}`, change: (text: string) => setDtype(text, own) })),
  some.map((own) => ({
    say: `a hand on the numbers of ${own}`,
    change: (text: string) => text.replace(/(value|weight): ([\d.]+)/, '$1: 0.125'),
  })),
);

describe('comments', () => {
  it('stay where nothing is changed but one value', () => {
    const out = setParameter(TEXT, { model: 'a', name: 'weight', value: 0.75 });
    expect(out).toBe(TEXT.replace('0.50', '0.75'));
    expect(setMuted(TEXT, ['b'], true)).toBe(TEXT.replace('  # 18 b\n', '  # 18 b\n    muted: true\n'));
    expect(setMuted(TEXT, ['a'], false)).toBe(TEXT.replace('    muted: true # 10 a.muted\n', ''));
  });

  it('stay at the value that is left of a list of filters', () => {
    const out = clearFiltered(TEXT, { model: 'b', name: 'weight' });
    expect(lost(TEXT, out)).toEqual([]);
    for (const comment of ['# 19', '# 24', '# 25', '# 26']) expect(out).toContain(comment);
  });

  it('property: go only with what they are about, whatever is edited, and change nothing', () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), (edits) => {
        let text = TEXT;
        let bare = TEXT.replace(/\s*# .*/g, '');
        for (const { say, change } of edits) {
          const after = change(text);
          bare = change(bare);
          expect(lost(text, after), `${say} in\n${text}\ngave\n${after}`).toEqual([]);
          expect(parse(after), `${say} in\n${text}\ngave\n${after}`).toEqual(parse(bare));
          text = after;
        }
      }),
      { numRuns: 120 },
    );
  });
});
