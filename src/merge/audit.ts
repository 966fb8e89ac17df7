/**
 * Audit: what is known of a merge once all of it is written: NaN and infinity, norms against the parents', dtypes
 * against config.json, tied rows, sizes against the plan, and the SHA-256 of every file. It is fed while the files are
 * written and reads nothing again. It judges numbers, never quality: what passes can still talk nonsense.
 *
 * `fusewright-audit.json`, beside the model, is an `AuditReport` as it stands here; `schema` rises when a field
 * changes its meaning or goes.
 */

import type { Dtype } from '../formats/dtype.ts';
import type { Lineup } from './lineup.ts';
import { judge } from './verdict.ts';

/** The report's file name beside a merge. */
export const AUDIT_FILE = 'fusewright-audit.json';

/** The version of the report's form. */
export const AUDIT_SCHEMA = 1;

/**
 * One thing that the audit found. A failure means that the model does not work, or is not what was planned; a warning
 * means that somebody should look.
 */
export interface AuditFinding {
  readonly severity: 'failure' | 'warning';
  readonly code:
    | 'non-finite'
    | 'incomplete'
    | 'zeroed'
    | 'tensor-norm'
    | 'model-norm'
    | 'config-dtype'
    | 'tied-rows'
    | 'half-range'
    | 'no-tokenizer';
  /** One sentence or two, the first beginning with "The". */
  readonly message: string;
  /** At most `LISTED_TENSORS` names, the worst first; `tensorCount` is the true number. */
  readonly tensors: readonly string[];
  readonly tensorCount: number;
}

/** A model that a tensor was merged from, and the Euclidean norm of its tensor; null where it is no finite number. */
export interface ParentNorm {
  readonly model: string;
  readonly norm: number | null;
}

/** One tensor of the result. */
export interface AuditedTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Whether it was merged, or copied as it is. Copied tensors are not looked into: the fields below are null. */
  readonly made: 'merged' | 'copied';
  /** How many elements are NaN or infinite. */
  readonly nonFinite: number | null;
  /** Euclidean norm of what was written, rounding included; null where it is no finite number. */
  readonly norm: number | null;
  /** The base first where there is one, then the models. */
  readonly parents: readonly ParentNorm[] | null;
}

/** Sums over the whole model. */
export interface AuditTotals {
  readonly tensors: number;
  readonly plannedTensors: number;
  /** Bytes of all tensors, headers not counted. */
  readonly bytes: number;
  readonly plannedBytes: number;
  readonly nonFinite: number;
  /** Norm over all merged tensors, and what it would be made of the smallest and of the largest parent of each. */
  readonly norm: number | null;
  readonly smallestParents: number | null;
  readonly largestParents: number | null;
  /** Per model, over the merged tensors that it took part in. */
  readonly parents: readonly ParentNorm[];
}

/** A file that was written. */
export interface AuditedFile {
  readonly name: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** The audit of one merge. */
export interface AuditReport {
  readonly schema: typeof AUDIT_SCHEMA;
  /** Such as `Fusewright 0.1.0`. */
  readonly madeWith: string;
  /** 'failed' with any failure, 'suspicious' with any warning, else 'passed'. */
  readonly verdict: 'passed' | 'suspicious' | 'failed';
  readonly findings: readonly AuditFinding[];
  readonly method: string;
  /** The seeds of a random method; empty for the others. */
  readonly seeds: readonly number[];
  /** The dtype that config.json names; null where it names none. */
  readonly configDtype: string | null;
  /** Tensors per dtype. */
  readonly dtypes: Readonly<Partial<Record<Dtype, number>>>;
  readonly totals: AuditTotals;
  /** All files but this report. */
  readonly files: readonly AuditedFile[];
  readonly tensors: readonly AuditedTensor[];
}

/** A tensor as it is planned. */
export interface AuditPlan {
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: Dtype;
    readonly shape: readonly number[];
    readonly bytes: number;
  }[];
  /** The text of the config.json that is written; null where there is none. */
  readonly config: string | null;
  /** Fusewright's version. */
  readonly version: string;
}

/** What has been seen of one tensor so far. */
interface Seen {
  bytes: number;
  faulty: number;
  /** Σ x² of the sources and the result; null where nothing was measured. */
  squares: Float64Array | null;
}

/** An audit that goes along with a save. */
export class Audit {
  readonly #lineup: Lineup;
  readonly #plan: AuditPlan;
  readonly #seen = new Map<string, Seen>();
  readonly #sums = new Map<string, string>();
  readonly #files: AuditedFile[] = [];
  readonly #noted: AuditFinding[] = [];
  /** The embedding and the head where config.json says that they are one and both are stored; else null. */
  readonly tied: readonly [string, string] | null;

  constructor(lineup: Lineup, plan: AuditPlan) {
    this.#lineup = lineup;
    this.#plan = plan;
    this.tied = tiedPair(plan);
  }

  #of(tensor: string): Seen {
    const known = this.#seen.get(tensor);
    if (known) return known;
    const fresh: Seen = { bytes: 0, faulty: 0, squares: null };
    this.#seen.set(tensor, fresh);
    return fresh;
  }

  /**
   * Takes what was found in one merged piece.
   * @param faulty elements that are NaN or infinite.
   * @param squares Σ x² of every source and, last, of the result; null where it was not measured.
   */
  add(tensor: string, faulty: number, squares: Float64Array | null): void {
    const seen = this.#of(tensor);
    seen.faulty += faulty;
    if (!squares) return;
    const before = seen.squares;
    seen.squares = before ? before.map((sum, i) => sum + (squares[i] ?? 0)) : Float64Array.from(squares);
  }

  /** Counts bytes of a tensor that were written. */
  wrote(tensor: string, bytes: number): void {
    this.#of(tensor).bytes += bytes;
  }

  /** Takes the SHA-256 of the bytes of one of the `tied` tensors. */
  sum(tensor: string, sha256: string): void {
    this.#sums.set(tensor, sha256);
  }

  /** Takes a file that is whole. */
  file(file: AuditedFile): void {
    this.#files.push(file);
  }

  /** Takes what whoever writes the files found out about them. */
  note(finding: AuditFinding): void {
    this.#noted.push(finding);
  }

  /** Faulty elements per tensor that has any, so far. */
  get nonFinite(): ReadonlyMap<string, number> {
    return new Map([...this.#seen].flatMap(([name, { faulty }]) => (faulty > 0 ? [[name, faulty] as const] : [])));
  }

  /** The report on what was taken so far. */
  report(): AuditReport {
    const { tensors, config, version } = this.#plan;
    const merged = new Map(this.#lineup.tensors.map((tensor) => [tensor.name, tensor]));
    const audited = tensors.flatMap(({ name, dtype, shape }): AuditedTensor[] => {
      const seen = this.#seen.get(name);
      if (!seen) return [];
      const tensor = merged.get(name);
      if (!tensor) {
        return [{ name, dtype, shape, bytes: seen.bytes, made: 'copied', nonFinite: null, norm: null, parents: null }];
      }
      const { squares } = seen;
      const models = [
        ...(tensor.hasBase ? [this.#lineup.base?.name ?? 'base'] : []),
        ...tensor.modelOf.map((k) => this.#lineup.models[k]?.name ?? `model ${k + 1}`),
      ];
      return [
        {
          name,
          dtype,
          shape,
          bytes: seen.bytes,
          made: 'merged',
          nonFinite: seen.faulty,
          norm: squares ? root(squares.at(-1)) : null,
          parents: squares ? models.map((model, i) => ({ model, norm: root(squares[i]) })) : null,
        },
      ];
    });
    const dtypes: Partial<Record<Dtype, number>> = {};
    for (const { dtype } of audited) dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
    const totals = totalsOf(audited, tensors);
    const configDtype = dtypeOf(config);
    const [embedding, head] = this.tied ?? [];
    const judged = judge({
      tensors: audited,
      totals,
      planned: tensors,
      configDtype,
      inherited: new Set(
        this.#lineup.tensors.flatMap(({ name, out, dtypes: [first] }) => (out === first ? [name] : [])),
      ),
      untied:
        embedding !== undefined && head !== undefined && this.#sums.get(embedding) !== this.#sums.get(head)
          ? [embedding, head]
          : null,
    });
    const findings = [...judged, ...this.#noted];
    return {
      schema: AUDIT_SCHEMA,
      madeWith: `Fusewright ${version}`,
      verdict: findings.some(({ severity }) => severity === 'failure')
        ? 'failed'
        : findings.length > 0
          ? 'suspicious'
          : 'passed',
      findings,
      method: this.#lineup.method.name,
      seeds: seedsOf(this.#lineup),
      configDtype,
      dtypes,
      totals,
      files: [...this.#files],
      tensors: audited,
    };
  }
}

/** A norm from a sum of squares; null where that is no finite number. */
function root(squares: number | undefined): number | null {
  return squares !== undefined && Number.isFinite(squares) && squares >= 0 ? Math.sqrt(squares) : null;
}

/** A norm over parts; null where any part has none. */
function together(norms: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const norm of norms) {
    if (norm === null) return null;
    sum += norm * norm;
  }
  return root(sum);
}

function totalsOf(audited: readonly AuditedTensor[], planned: AuditPlan['tensors']): AuditTotals {
  const measured = audited.flatMap(({ norm, parents }) => (parents ? [{ norm, parents }] : []));
  const perModel = new Map<string, (number | null)[]>();
  for (const { parents } of measured) {
    for (const { model, norm } of parents) {
      // Into the list itself: a copy for each of 100 000 tensors would take minutes.
      const norms = perModel.get(model);
      if (norms) norms.push(norm);
      else perModel.set(model, [norm]);
    }
  }
  const extreme = (pick: (...norms: number[]) => number) =>
    measured.length === 0
      ? null
      : together(
          measured.map(({ parents }) => {
            const norms = parents.flatMap(({ norm }) => norm ?? []);
            return norms.length < parents.length ? null : pick(...norms);
          }),
        );
  return {
    tensors: audited.length,
    plannedTensors: planned.length,
    bytes: audited.reduce((sum, { bytes }) => sum + bytes, 0),
    plannedBytes: planned.reduce((sum, { bytes }) => sum + bytes, 0),
    nonFinite: audited.reduce((sum, { nonFinite }) => sum + (nonFinite ?? 0), 0),
    norm: measured.length === 0 ? null : together(measured.map(({ norm }) => norm)),
    smallestParents: extreme(Math.min),
    largestParents: extreme(Math.max),
    parents: [...perModel].map(([model, norms]) => ({ model, norm: together(norms) })),
  };
}

/** The seeds that a random method drew by. */
function seedsOf({ method, tensors }: Lineup): number[] {
  if (method.params.seed?.kind !== 'number') return [];
  return [...new Set(tensors.flatMap(({ params }) => params.seed ?? []))].filter(Number.isFinite);
}

/** The parsed config.json; null where there is none or it is no object. */
function configOf(text: string | null): Readonly<Record<string, unknown>> | null {
  if (text === null) return null;
  try {
    const config: unknown = JSON.parse(text);
    return typeof config === 'object' && config !== null ? (config as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function dtypeOf(text: string | null): string | null {
  const config = configOf(text);
  const named = config?.torch_dtype ?? config?.dtype;
  return typeof named === 'string' ? named : null;
}

const EMBEDDING = /(^|\.)(embed_tokens|wte|embed_in|word_embeddings)\.weight$/;
const HEAD = /(^|\.)(lm_head|embed_out)\.weight$/;

function tiedPair({ tensors, config }: AuditPlan): readonly [string, string] | null {
  const own = configOf(config);
  const nested = own?.text_config;
  const text = typeof nested === 'object' && nested !== null ? (nested as Readonly<Record<string, unknown>>) : null;
  if ((own?.tie_word_embeddings ?? text?.tie_word_embeddings) !== true) return null;
  const embedding = tensors.find(({ name }) => EMBEDDING.test(name) && !/vision|visual|encoder\./.test(name))?.name;
  const head = tensors.find(({ name }) => HEAD.test(name))?.name;
  return embedding !== undefined && head !== undefined ? [embedding, head] : null;
}
