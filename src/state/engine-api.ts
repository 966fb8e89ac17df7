/**
 * EngineApi: what the page may ask of the one engine worker, as plain cloneable data. The engine owns the GPU
 * device, the open checkpoints, the statistics, the live blend and the chat; the page owns only the recipe text
 * and what it shows. Not the implementation (`engine.ts`) and not the wiring (`engine-client.ts`).
 *
 * Every promise here may reject with a Fault (it crosses the worker as `{code, message, details}`); a rejected
 * call leaves the engine as it was before. Long calls of one kind do not overlap: a new `blend` cancels the
 * running one; `cancel` stops whatever merge work runs.
 */

import type { FaultReport } from '../bytes/fault.ts';
import type { OnnxDtype } from '../chat/export.ts';
import type { Generated, SaidToken } from '../chat/generation.ts';
import type { SamplingOptions } from '../chat/sampling.ts';
import type { Precision } from '../chat/weight-forms.ts';
import type { BlendedDtype, Dtype } from '../formats/dtype.ts';
import type { AuditReport } from '../merge/audit.ts';
import type { Finding } from '../merge/finding.ts';
import type { MapDetail, WeightsMap } from '../merge/map.ts';
import type { ChangeHistogram, Survey } from '../merge/survey.ts';
import type { Mode } from '../merge/plan.ts';
import type { Progress } from '../merge/progress.ts';

export type { AuditFinding, AuditReport } from '../merge/audit.ts';
export type { Finding } from '../merge/finding.ts';
export type { MapCell, MapDetail, WeightsMap } from '../merge/map.ts';
export type { Progress } from '../merge/progress.ts';
export type { ChangeHistogram, Insight, RecommendedStart, Survey } from '../merge/survey.ts';
export type { SaidToken, TokenChoice } from '../chat/generation.ts';
export type { SamplingOptions } from '../chat/sampling.ts';
export type { Precision } from '../chat/weight-forms.ts';
export type { OnnxDtype } from '../chat/export.ts';

/** Where the arithmetic runs, and why. */
export interface EngineInfo {
  readonly place: 'gpu' | 'cpu';
  /** One sentence for the page: the adapter's name, or why there is no GPU and what runs instead. */
  readonly reason: string;
  /** Bytes that merging and chat may hold; the user may change it. */
  readonly budgetBytes: number;
  /** The largest budget that makes sense here. */
  readonly maxBudgetBytes: number;
  /** How chat shall hold matrices. */
  readonly precision: PrecisionChoice;
  /** Where a save merges; left out where that is `place`. */
  readonly savesOn?: 'gpu' | 'cpu';
}

/** Bytes that are held now. */
export interface MemoryUse {
  /** The live blend, and the sources that are kept for the next change. */
  readonly mergeBytes: number;
  /** Keys and values of what was said, and the weights of everybody else who was talked to. */
  readonly chatBytes: number;
}

/** An open checkpoint as the page shows it. */
export interface CheckpointSummary {
  readonly name: string;
  readonly weightFiles: readonly string[];
  readonly tensorCount: number;
  /** Number of parameters. */
  readonly elements: number;
  readonly totalBytes: number;
  /** Tensors per dtype, most frequent first. */
  readonly dtypes: readonly { readonly dtype: Dtype; readonly tensors: number }[];
  readonly layers: number;
  /** `model_type` of config.json, or null. */
  readonly modelType: string | null;
  readonly hasTokenizer: boolean;
  readonly hasChatTemplate: boolean;
  /** Null where it can be talked to; else the plain reason why not. */
  readonly chatObstacle: string | null;
}

/** How the work would be done. */
export interface PlanSummary {
  readonly mergedTensors: number;
  readonly copiedTensors: number;
  /** Bytes of one pass over all sources. */
  readonly readBytes: number;
  /** Bytes of the result when saved. */
  readonly writeBytes: number;
  /** Most bytes held at one time in this mode. */
  readonly liveBytes: number;
  readonly mode: Mode;
  /** Predicted seconds for the next blend; null until a rate has been seen. */
  readonly seconds: number | null;
  readonly outDtype: BlendedDtype | 'mixed';
  /** How chat would hold the result, in one sentence why so; null where it cannot be talked to or does not fit. */
  readonly chat: { readonly precision: Precision; readonly reason: string; readonly bytes: number } | null;
}

/** The pre-flight's result; `plan` is null where an error refuses the merge. */
export interface CheckReport {
  readonly findings: readonly Finding[];
  readonly plan: PlanSummary | null;
}

/** What a blend did. */
export interface BlendReport {
  /** Rises by one with every blend. */
  readonly blend: number;
  /** Milliseconds of the measuring pass; 0 where statistics were reused. */
  readonly measureMs: number;
  /** Milliseconds from recipe to weights ready for chat. */
  readonly blendMs: number;
  readonly tensors: number;
  /** How many tensors had to be written again (the others were already as the recipe says). */
  readonly rewritten: number;
  readonly bytes: number;
  /** True where the result can be talked to; else `chatObstacle` says why not. */
  readonly chatObstacle: string | null;
  /** Tensors with NaN or infinity in the result; empty is good. */
  readonly nonFinite: readonly { readonly tensor: string; readonly count: number }[];
}

/** Where to save. The directory handle must be writable already (the page asks). */
export type SaveTarget =
  | { readonly kind: 'folder'; readonly handle: FileSystemDirectoryHandle }
  | { readonly kind: 'zip' };

/** What was saved; `archive` is the zip for the page to hand over as a download. */
export interface SaveReport {
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly bytes: number;
  readonly milliseconds: number;
  /** Where it was merged: on a graphics adapter that is only played in software, the CPU's kernels are faster. */
  readonly place: 'gpu' | 'cpu';
  readonly audit: AuditReport;
  readonly archive: File | null;
  /** The folder that was made in the picked one, because that one was not empty; else null. */
  readonly within: string | null;
}

/** Whom to talk to: the live blend, an open checkpoint, or what a recipe makes (an earlier blend, another take). */
export type Speaker =
  | { readonly kind: 'blend' }
  | { readonly kind: 'checkpoint'; readonly name: string }
  | { readonly kind: 'recipe'; readonly label: string; readonly text: string };

/** How chat holds the matrices of a model; `auto` is chosen by size and budget, per speaker. */
export type PrecisionChoice = 'auto' | Precision;

/** A speaker that is ready. */
export interface SpeakerInfo {
  readonly modelType: string;
  /** Most tokens of prompt and reply together, here. */
  readonly contextTokens: number;
  readonly hasChatTemplate: boolean;
  /** `webgpu` on our device, or `wasm` on the CPU. */
  readonly provider: 'webgpu' | 'wasm';
  readonly precision: Precision;
  /** Bytes of its weights as chat holds them. */
  readonly weightBytes: number;
  /** One sentence: how it runs here and why so, such as why the CPU, why q4, why no captured steps. */
  readonly reason: string;
}

/** One turn of a conversation. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What a prompt is made from. */
export interface PromptRequest {
  readonly speaker: Speaker;
  readonly messages: readonly Message[];
  /** `chat` renders the template; `continue` continues the last message's text as it stands. */
  readonly mode: 'chat' | 'continue';
  /** A chat template (Jinja) to take instead of the model's own; null takes its own. */
  readonly template: string | null;
}

/** What a prompt comes to. Needs the tokenizer only: no weights are read. */
export interface PromptInfo {
  /** The text as the model reads it. */
  readonly text: string;
  readonly tokens: number;
  readonly contextTokens: number;
  /** The model's own template and the file it stands in; null where it has none. */
  readonly template: { readonly file: string; readonly text: string } | null;
}

/** A request for a reply. */
export interface SayRequest extends PromptRequest {
  readonly maxNewTokens: number;
  readonly sampling: SamplingOptions;
  /** The reply ends before the first of these that it would hold. */
  readonly stop: readonly string[];
  /** How many likeliest tokens to tell beside each chosen one; 0 to MAX_ALTERNATIVES. */
  readonly alternatives: number;
}

/** News of one column's reply. */
export type SayEvent = { readonly column: number } & (
  | { readonly phase: 'loading'; readonly speaker: Speaker }
  | { readonly phase: 'reading'; readonly info: SpeakerInfo; readonly promptTokens: number }
  /** New tokens, and the text so far (which grows only; a stop string that may be beginning is held back). */
  | { readonly phase: 'speaking'; readonly text: string; readonly tokens: readonly SaidToken[] }
);

/** A finished reply. */
export interface Reply extends Generated {
  /** Number of the blend that answered, or null for another speaker. */
  readonly blend: number | null;
}

/** How a column ended: its reply, or what went wrong with it alone. */
export type SayOutcome = { readonly reply: Reply } | { readonly fault: FaultReport };

/** How well a speaker foresees a text. */
export interface TextScore {
  readonly tokens: number;
  /** exp of the mean negative log-probability per token; the first token is not foreseen. */
  readonly perplexity: number;
  readonly bitsPerByte: number;
  /** Each token's text and natural log-probability (null for the first). */
  readonly pieces: readonly { readonly text: string; readonly logProbability: number | null }[];
}

export type ScoreOutcome = { readonly score: TextScore } | { readonly fault: FaultReport };

/** What a save writes: a Hugging Face folder, or ONNX as transformers.js loads it. */
export type SaveFormat =
  | { readonly kind: 'safetensors' }
  | { readonly kind: 'onnx'; readonly dtypes: readonly OnnxDtype[] };

/** The engine as the page sees it, through comlink. */
export interface EngineApi {
  start(): Promise<EngineInfo>;
  setBudget(budgetBytes: number): Promise<EngineInfo>;
  /** What is held now. */
  memory(): Promise<MemoryUse>;
  /** Chat's precision from now on; speakers that are open are made anew when they are next talked to. */
  setPrecision(precision: PrecisionChoice): Promise<EngineInfo>;
  /** Opens files; headers and side files only. Broken ones come back as faults and do not stop the others. */
  add(files: readonly { readonly path: string; readonly file: File }[]): Promise<{
    readonly added: readonly CheckpointSummary[];
    readonly faults: readonly { readonly file: string; readonly report: FaultReport }[];
    /** Earlier faults, as `FILE: MESSAGE`, that hold no more: files that were missing came now. */
    readonly settled?: readonly string[];
  }>;
  remove(name: string): Promise<void>;
  /** Pre-flight: reads no weight. Rejects with a RecipeFault where the recipe itself is wrong. */
  check(recipeText: string): Promise<CheckReport>;
  /** Names of the tensors that a recipe merges, in the result's order, from headers alone. Rejects where it cannot be merged. */
  tensors(recipeText: string): Promise<readonly string[]>;
  /** The weights map of a recipe; measures first where statistics are needed and not kept yet. */
  weigh(recipeText: string, onProgress: (progress: Progress) => void, detail?: MapDetail): Promise<WeightsMap>;
  /**
   * What the models changed, tensor by tensor; measures first where that is not known yet. It does not depend on the
   * recipe's weights.
   */
  survey(recipeText: string, onProgress: (progress: Progress) => void): Promise<Survey>;
  /** How large the changes are, of one tensor or (null) of all together. Rejects where nothing was measured. */
  histogram(recipeText: string, tensor: string | null): Promise<ChangeHistogram>;
  /** Makes (or re-makes, touching only what changed) the live blend. */
  blend(recipeText: string, onProgress: (progress: Progress) => void): Promise<BlendReport>;
  /** Streams the merge to files: shards, config, tokenizer, `fusewright.yml`, README.md. */
  save(
    recipeText: string,
    options: {
      readonly name: string;
      readonly target: SaveTarget;
      readonly maxShardBytes: number;
      readonly format?: SaveFormat;
    },
    onProgress: (progress: Progress) => void,
  ): Promise<SaveReport>;
  /** Stops merge work (measure, blend, save) within a second. */
  cancel(): Promise<void>;
  /** Makes a speaker ready and tells about it. */
  talkTo(speaker: Speaker): Promise<SpeakerInfo>;
  /** Renders and counts a prompt without reading weights. Rejects where the template refuses the conversation. */
  prompt(request: PromptRequest): Promise<PromptInfo>;
  /**
   * Streams replies, one per request, the columns side by side where the budget holds their speakers together and
   * one after another where it does not. A newer `say` stops an older one. Resolves when all have ended.
   */
  say(requests: readonly SayRequest[], onEvent: (event: SayEvent) => void): Promise<readonly SayOutcome[]>;
  /** Stops the running replies (of one column); they resolve with what there is, `stoppedBy: 'user'`. */
  stop(column?: number): Promise<void>;
  /** Perplexity of a text for each speaker, one after another. A newer `say` or `score` stops it. */
  score(
    speakers: readonly Speaker[],
    text: string,
    onProgress: (column: number, tokensDone: number, tokens: number) => void,
  ): Promise<readonly ScoreOutcome[]>;
}
