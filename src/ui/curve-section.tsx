/** Curves over layers: which curve is drawn, the curve, and what has to be said of it. Below the weights map. */

import { NativeSelect } from '@mantine/core';
import { useMemo, useState } from 'react';
import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { filtersInPlaces, type Layers, layersOf, reachOf } from '../recipe/filter-reach.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { nameIndexOf } from '../recipe/name-index.ts';
import { writtenNumbers } from '../recipe/filter-list.ts';
import { EVERYTHING } from '../state/mixer-locks.ts';
import { isTextOnly } from '../state/recipe-edits.ts';
import { CurveEditor } from './curve-editor.tsx';
import { Fold } from './curve-fold.tsx';
import styles from './curve-section.module.css';
import {
  ALL_TENSORS,
  type CurveParameter,
  type CurvePart,
  curveParameters,
  curveParts,
  modelsOfTheirOwn,
} from './curve-targets.ts';
import { hiddenSentence, namesListed, valueWords } from './curve-words.ts';
import { useHeld, useMixer, useStudio, useTensorNames } from './workbench-context.ts';

/** The choice that stands for the top level, which holds for all models. */
const ALL = '*';

export function CurveSection() {
  return (
    <Fold title="Curves over layers" part="curvesOpen">
      <CurveBody />
    </Fold>
  );
}

function CurveBody() {
  const recipe = useStudio((state) => state.recipe);
  const isBroken = useStudio((state) => state.problems.length > 0);
  const tensors = useTensorNames();
  const method = recipe ? METHODS.get(recipe.method) : undefined;
  if (!recipe || !method || tensors.length === 0) {
    return <p className={styles.note}>Once the models can be merged, their layers are here to draw over.</p>;
  }
  if (isTextOnly(recipe)) {
    return (
      <p className={styles.note}>What each model brings is set in this recipe’s text; curves are written there, too.</p>
    );
  }
  if (curveParameters(method).length === 0) {
    return <p className={styles.note}>{method.title} has no number that could differ from layer to layer.</p>;
  }
  return <CurveOf key={method.name} recipe={recipe} method={method} tensors={tensors} isFixed={isBroken} />;
}

interface CurveOfProps {
  readonly recipe: Recipe;
  readonly method: Method;
  readonly tensors: readonly string[];
  readonly isFixed: boolean;
}

function CurveOf(props: CurveOfProps) {
  const parameters = curveParameters(props.method);
  const [chosen, setChosen] = useState('');
  const target = parameters.find(({ name }) => name === chosen) ?? parameters[0];
  if (!target) return null;
  return <CurveFor {...props} parameters={parameters} target={target} onTarget={setChosen} />;
}

interface CurveForProps extends CurveOfProps {
  readonly parameters: readonly CurveParameter[];
  readonly target: CurveParameter;
  readonly onTarget: (name: string) => void;
}

function CurveFor({ recipe, method, tensors, isFixed, parameters, target, onTarget }: CurveForProps) {
  const { name, isPerModel, parameter } = target;
  const [chosenModel, setModel] = useState('');
  const [chosenPart, setPart] = useState(ALL);
  const models = recipe.models.map((own) => own.model);
  const first = models.includes(chosenModel) ? chosenModel : (models[0] ?? null);
  const model = !isPerModel || chosenModel === ALL ? null : first;
  const parts = useMemo(() => curveParts(recipe, name, tensors), [recipe, name, tensors]);
  const part = parts.find((own) => partKey(own) === chosenPart) ?? ALL_TENSORS;
  const { filter } = part;
  const layers = useLayers(recipe, name, filter, tensors);
  const isLocked = useHeld(name, model);
  const address = { model, name, filter };
  return (
    <div className={styles.body}>
      <div className={styles.choices}>
        <NativeSelect
          label="Curve of"
          value={name}
          onChange={(event) => onTarget(event.currentTarget.value)}
          data={parameters.map((own) => own.name)}
        />
        {isPerModel && (
          <NativeSelect
            label="For model"
            value={model ?? ALL}
            onChange={(event) => setModel(event.currentTarget.value)}
            data={[...models.map((own) => ({ value: own, label: own })), { value: ALL, label: 'all models' }]}
          />
        )}
        <NativeSelect
          label="Over"
          value={partKey(part)}
          onChange={(event) => setPart(event.currentTarget.value)}
          data={parts.map((own) => ({ value: partKey(own), label: own.label }))}
        />
      </div>
      {layers.count < 2 ? (
        <p className={styles.note}>A curve takes two layers or more.</p>
      ) : (
        <CurveEditor
          // Points that were placed belong to one curve.
          key={JSON.stringify(address)}
          recipe={recipe}
          method={method}
          address={address}
          parameter={parameter}
          part={part}
          layers={layers}
          isFixed={isFixed || isLocked}
        />
      )}
      <CurveNotes
        recipe={recipe}
        address={address}
        tensors={tensors}
        isPerModel={isPerModel}
        isHandle={name === method.handle}
      />
    </div>
  );
}

/** What locks have to do with a curve; empty where nothing of its model is locked. */
function lockSentence(model: string | null, locks: ReadonlySet<string> | undefined): string {
  if (model === null || locks === undefined || locks.size === 0) return '';
  if (locks.has(EVERYTHING)) return `${model} is locked; unlock it to draw.`;
  return `Some of ${model} is locked on the map and keeps its weights.`;
}

/** The layers that a filter finds something in. It changes with filters only, and not while a point is dragged. */
function useLayers(recipe: Recipe, name: string, filter: string | null, tensors: readonly string[]): Layers {
  const places = JSON.stringify(filtersInPlaces(recipe, name));
  return useMemo(() => layersOf(tensors, filter, JSON.parse(places) as (string | null)[][]), [tensors, filter, places]);
}

function partKey({ filter }: CurvePart): string {
  return filter ?? ALL;
}

interface CurveNotesProps {
  readonly recipe: Recipe;
  readonly address: { readonly model: string | null; readonly name: string; readonly filter: string | null };
  readonly tensors: readonly string[];
  readonly isPerModel: boolean;
  /** Whether it is what locks hold. */
  readonly isHandle: boolean;
}

function CurveNotes({ recipe, address, tensors, isPerModel, isHandle }: CurveNotesProps) {
  const { model, name, filter } = address;
  const numbers = writtenNumbers(recipe, address);
  const { stacks, stackOf } = nameIndexOf(tensors);
  const outside = useMemo(
    () => tensors.filter((own, i) => stackOf[i] === -1 && (filter === null || own.includes(filter))).length,
    [tensors, stackOf, filter],
  );
  const isWritten = numbers !== null;
  const reach = useMemo(
    () => (isWritten ? reachOf(recipe, { model, name, filter }, tensors) : null),
    [isWritten, recipe, model, name, filter, tensors],
  );
  const locks = useMixer((state) => (model === null || !isHandle ? undefined : state.locks.get(model)));
  const own = model === null && isPerModel ? modelsOfTheirOwn(recipe, name) : [];
  const sentences = [
    reach?.found === 0 ? `No tensor has “${filter ?? ''}” in its name.` : '',
    reach ? hiddenSentence(reach) : '',
    own.length > 0 && isWritten
      ? `${namesListed(own)} ${own.length === 1 ? 'has' : 'have'} a ${name} of ${own.length === 1 ? 'its' : 'their'} own, which decides there.`
      : '',
    numbers && numbers.length > 1 && outside > 0
      ? `Tensors outside the layers, such as the embeddings, get the first value: ${valueWords(numbers[0] ?? 0)}.`
      : '',
    isWritten && stacks.size > 1
      ? 'Shorter stacks of layers get the same line, from their first layer to their last.'
      : '',
    lockSentence(model, locks),
    recipe.models.some((one) => one.model === model && one.isMuted) ? `${model ?? ''} is muted; its curves wait.` : '',
  ].filter((sentence) => sentence !== '');
  return (
    <div className={styles.notes} role="note" aria-label="About the curve" aria-live="polite">
      {sentences.map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
    </div>
  );
}
