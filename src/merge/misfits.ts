/**
 * Misfits: what is said of checkpoints whose tensors do not fit those that lead: missing, extra, of another shape or
 * dtype, with a head of their own. Findings only, from what `line-up.ts` saw.
 */

import { listed } from '../bytes/listed.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { isBlended } from '../formats/dtype.ts';
import { stacksOf } from '../recipe/stack.ts';
import { finding, type Finding } from './finding.ts';
import { COMPUTED, type Misfit } from './line-up.ts';
import type { Place, Slot } from './slots.ts';
import { entryOf, headOf, isTied } from './tied.ts';

/** More of a model's tensors than this share missing in every layer is another architecture, not an omission. */
const MOST_ABSENT = 0.25;

/** `1 tensor`, `2 tensors`. */
export function tensorCount(count: number): string {
  return count === 1 ? '1 tensor' : `${count} tensors`;
}

function shapeText(shape: readonly number[]): string {
  return shape.length === 0 ? 'a scalar' : shape.join(' × ');
}

/** Findings about every checkpoint beside those that lead it, in the order of the misfits. */
export function misfitFindings(misfits: readonly Misfit[], slots: readonly Slot[]): Finding[] {
  const pairs = new Map<string, Misfit[]>();
  const numbers = new Map<Checkpoint, number>();
  const number = (checkpoint: Checkpoint): number => {
    if (!numbers.has(checkpoint)) numbers.set(checkpoint, numbers.size);
    return numbers.get(checkpoint) ?? 0;
  };
  for (const misfit of misfits) {
    const key = `${number(misfit.other.checkpoint)}.${number(misfit.lead.checkpoint)}`;
    const group = pairs.get(key) ?? [];
    group.push(misfit);
    pairs.set(key, group);
  }
  return [...pairs.values()].flatMap((group) => pairFindings(group, slots));
}

function pairFindings(group: readonly Misfit[], slots: readonly Slot[]): Finding[] {
  const [first] = group;
  if (!first) return [];
  const donor = first.lead.checkpoint;
  const other = first.other.checkpoint;
  const of = (...kinds: Misfit['kind'][]) => group.filter(({ kind }) => kinds.includes(kind));
  const names = (own: readonly Misfit[]) => own.map(({ tensor }) => tensor);
  const asked = slots.filter(
    ({ base, models }) => base?.checkpoint === other || models.some(({ checkpoint }) => checkpoint === other),
  ).length;
  const lacked = of('missing', 'absent-everywhere', 'optional');
  if (asked > 0 && lacked.length === asked) {
    return [
      finding(
        'error',
        'nothing-shared',
        prefixSentence(donor, other) ??
          prefixSentence(other, donor) ??
          `${other.name} and ${donor.name} share no tensor name: they are different architectures. Merge fine-tunes of one base only.`,
        names(lacked),
      ),
    ];
  }
  const findings: Finding[] = [];
  const shapes = of('shape');
  const [shape] = shapes;
  if (shape) {
    const more = shapes.length > 1 ? ` (${shapes.length} tensors differ: ${listed(names(shapes))})` : '';
    const its = shape.other.name === shape.lead.name ? '' : `${shape.other.name} is `;
    findings.push(
      finding(
        'error',
        'shape',
        `${other.name} is not a sibling of ${donor.name}: ${shape.lead.name} is ${shapeText(shape.lead.entry.shape)} in ${donor.name} and ${its}${shapeText(shape.other.entry?.shape ?? [])} in ${other.name}${more}. Merge fine-tunes of one base only.`,
        names(shapes),
      ),
    );
  }
  const absent = of('absent-everywhere');
  const isOther = absent.length > MOST_ABSENT * asked;
  const missing = of('missing', ...(isOther ? (['absent-everywhere'] as const) : []));
  if (missing.length > 0) {
    findings.push(
      finding(
        'error',
        'missing-tensors',
        `${other.name} lacks ${missing.length} of ${donor.name}’s tensors: ${listed(missing.map(({ other: its }) => its.name))}. ${whyMissing(donor, other)}`,
        names(missing),
      ),
    );
  }
  if (absent.length > 0 && !isOther) {
    findings.push(
      finding(
        'warning',
        'missing-tensors',
        `${other.name} has no tensors of ${tensorCount(absent.length)} that ${donor.name} has (${listed(names(absent))}), nor has any other model; they are copied from ${donor.name}.`,
        names(absent),
      ),
    );
  }
  const optional = of('optional');
  if (optional.length > 0) {
    findings.push(
      finding(
        'warning',
        'missing-tensors',
        `${other.name} lacks ${tensorCount(optional.length)} that a model may go without (${listed(names(optional))}); ${optional.length === 1 ? 'it is' : 'they are'} merged from the models that have ${optional.length === 1 ? 'it' : 'them'}.`,
        names(optional),
      ),
    );
  }
  findings.push(...dtypeFindings(of('dtype'), donor, other));
  return findings;
}

/** The likely reason, as a question or a remedy. */
function whyMissing(donor: Checkpoint, other: Checkpoint): string {
  const mine = stacksOf(donor.tensors.keys());
  const theirs = stacksOf(other.tensors.keys());
  for (const [stack, layers] of mine) {
    const its = theirs.get(stack) ?? 0;
    if (its > 0 && its !== layers) {
      return `It has ${its} layers and ${donor.name} ${layers}: they are no siblings. To stack layers of both, write 'slices' and merge with passthrough.`;
    }
  }
  return 'Is a shard missing, or is it another architecture?';
}

function dtypeFindings(misfits: readonly Misfit[], donor: Checkpoint, other: Checkpoint): Finding[] {
  const dtypeOf = ({ other: its }: Misfit) => its.entry?.dtype ?? 'F32';
  const isBroken = (own: Misfit) => isBlended(dtypeOf(own)) !== isBlended(own.lead.entry.dtype);
  const broken = misfits.filter(isBroken);
  const [first] = broken;
  const names = (own: readonly Misfit[]) => own.map(({ tensor }) => tensor);
  if (first) {
    return [
      finding(
        'error',
        'dtype',
        `${first.tensor} is ${first.lead.entry.dtype} in ${donor.name} and ${dtypeOf(first)} in ${other.name}; only F32, F16 and BF16 can be mixed.`,
        names(broken),
      ),
    ];
  }
  const [mixed] = misfits;
  if (!mixed || !isBlended(dtypeOf(mixed))) return [];
  return [
    finding(
      'note',
      'dtype',
      `${tensorCount(misfits.length)} ${misfits.length === 1 ? 'is' : 'are'} ${dtypeOf(mixed)} in ${other.name} and ${mixed.lead.entry.dtype} in ${donor.name}; both are read exactly.`,
      names(misfits),
    ),
  ];
}

/** What checkpoints have that no tensor of the result asks for, and how their heads differ from the donor's. */
export function leftOutFindings(slots: readonly Slot[], donor: Checkpoint, others: readonly Checkpoint[]): Finding[] {
  const used = new Map(others.map((other) => [other, new Set<string>()]));
  const use = ({ checkpoint, name }: Place): void => {
    used.get(checkpoint)?.add(name);
  };
  for (const { lead, base, models } of slots) {
    use(lead);
    if (base) use(base);
    for (const model of models) use(model);
  }
  return others.flatMap((other) => {
    const head = headOf(donor) ?? 'lm_head.weight';
    const extra = [...other.tensors.keys()].filter(
      (name) => !used.get(other)?.has(name) && !COMPUTED.test(name) && !(name === head && entryOf(donor, name)),
    );
    const findings: Finding[] = [];
    const taller = tallerStack(donor, other);
    if (taller !== null) {
      findings.push(
        finding(
          'error',
          'layers',
          `${other.name} has ${taller.its} layers and ${donor.name} ${taller.layers}: they are no siblings. To stack layers of both, write 'slices' and merge with passthrough; to merge some layers of each, give a 'layer_range' to every source of a slice.`,
          extra,
        ),
      );
    } else if (extra.length > 0) {
      findings.push(
        finding(
          'warning',
          'extra-tensors',
          `${other.name} has ${tensorCount(extra.length)} that ${donor.name} lacks, left out of the merge: ${listed(extra)}.`,
          extra,
        ),
      );
    }
    return [...findings, ...headFindings(donor, other, head)];
  });
}

/** A stack of which `other` has more layers than the donor. */
function tallerStack(donor: Checkpoint, other: Checkpoint): { its: number; layers: number } | null {
  const theirs = stacksOf(other.tensors.keys());
  for (const [stack, layers] of stacksOf(donor.tensors.keys())) {
    const its = theirs.get(stack) ?? 0;
    if (its > layers) return { its, layers };
  }
  return null;
}

function headFindings(donor: Checkpoint, other: Checkpoint, head: string): Finding[] {
  if (donor.tensors.has(head) === other.tensors.has(head)) return [];
  const stored = donor.tensors.has(head) ? donor : other;
  const bare = stored === donor ? other : donor;
  if (!isTied(bare)) return [];
  if (stored === other && !isTied(other)) {
    return [
      finding(
        'warning',
        'tied',
        `${other.name} has an output head of its own (${head}) and ${donor.name}’s is tied to the embeddings; the merge is tied too, so that head is left out.`,
        [head],
      ),
    ];
  }
  return [
    finding(
      'note',
      'tied',
      `${stored.name} stores ${head} and ${bare.name} does not, because its head is tied to the embeddings; the merge follows ${donor.name}.`,
      [head],
    ),
  ];
}

/** What to say where `longer` has `shorter`'s names with one prefix in front of each; null where it has not. */
function prefixSentence(shorter: Checkpoint, longer: Checkpoint): string | null {
  const [name] = shorter.tensors.keys();
  const found = name === undefined ? undefined : [...longer.tensors.keys()].find((own) => own.endsWith(`.${name}`));
  if (name === undefined || found === undefined) return null;
  const prefix = found.slice(0, -name.length);
  if (![...shorter.tensors.keys()].every((own) => longer.tensors.has(prefix + own))) return null;
  return `${longer.name} names its tensors as ${shorter.name} does, with '${prefix}' in front of each: one of the two was saved with another class of the same model. Load and save one of them with the class of the other (Transformers’ from_pretrained and save_pretrained) and merge that.`;
}
