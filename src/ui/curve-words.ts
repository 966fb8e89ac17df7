/** Curve words: what has to be said of a curve that a picture does not show. Pure. */

import type { Hidden, Reach } from '../recipe/filter-reach.ts';
import { plural } from '../state/figures.ts';

/** `a, b and c`, the later ones counted where there are many. */
export function namesListed(names: readonly string[], most = 4): string {
  const shown = names.length > most ? [...names.slice(0, most), `${names.length - most} more`] : names;
  return shown.length < 2 ? (shown[0] ?? '') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

/** `layer 1`, `layers 1 to 3 and 7`. */
export function layersListed(layers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const layer of layers) {
    const run = runs.at(-1);
    if (run && run[1] === layer - 1) run[1] = layer;
    else runs.push([layer, layer]);
  }
  const words = runs.map(([from, to]) =>
    from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from} to ${to}`,
  );
  return `${layers.length === 1 ? 'layer' : 'layers'} ${namesListed(words)}`;
}

/** Which entries above take some of what a filter finds; empty where none does. */
export function hiddenSentence({ found, got, hidden }: Reach): string {
  if (hidden.length === 0) return '';
  const by = hidden.map((own) => `${own.by === null ? 'the value for all' : `“${own.by}”`}${inLayers(own)}`);
  const what = got === 0 ? `all ${found} of its tensors` : `${found - got} of its ${plural(found, 'tensor')}`;
  return `The first match in the list decides: ${what} go by what stands above, ${namesListed(by)}.`;
}

function inLayers({ layers }: Hidden): string {
  return layers.length === 0 ? '' : ` in ${layersListed(layers)}`;
}

/** Where a point of a curve lies: at a layer, or between two. Layers count from 0, as in tensors' names. */
export function placeWords(depth: number, layers: number): string {
  const at = depth * (layers - 1);
  const near = Math.round(at);
  if (Math.abs(at - near) < 0.05) return `layer ${near} of ${layers}`;
  return `between layers ${Math.floor(at)} and ${Math.floor(at) + 1} of ${layers}`;
}

/** A value as it is written. */
export function valueWords(value: number): string {
  return String(value).replace('-', '−');
}
