/** The method and its parameters. Every control here is derived from the method's declaration. */

import { NativeSelect, Switch } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { METHODS } from '../methods/index.ts';
import type { Method, NumberParameter, Parameter } from '../methods/method.ts';
import type { Recipe, Scalar } from '../recipe/recipe.ts';
import { setParameter } from '../recipe/yaml.ts';
import { switchQuestion } from '../state/method-switch.ts';
import { isTextOnly } from '../state/recipe-edits.ts';
import { settable, shownValue } from '../state/shown-value.ts';
import { MethodFinder } from './method-finder.tsx';
import { METHOD_GROUPS } from './method-groups.ts';
import { MethodQuestion } from './method-question.tsx';
import styles from './method-panel.module.css';
import { MethodHelp, ParameterHelp } from './method-panel-help.tsx';
import { ModelLetter } from './model-letter.tsx';
import { NumberControl } from './number-control.tsx';
import { PresetMenu } from './preset-menu.tsx';
import { shortNames } from './short-names.ts';
import { useHeld, useStudio, useWorkbench } from './workbench-context.ts';

export function MethodPanel() {
  const { studio } = useWorkbench();
  const recipe = useStudio((state) => state.recipe);
  const isBroken = useStudio((state) => state.problems.length > 0);
  const checkpoints = useStudio((state) => state.checkpoints);
  const [asked, setAsked] = useState<Method | null>(null);
  const method = recipe ? METHODS.get(recipe.method) : undefined;
  const open = checkpoints.map(({ name }) => name);
  const question = recipe && asked ? switchQuestion(recipe, asked, open) : null;
  const isDisabled = !recipe || isBroken;
  const pick = (next: Method | undefined) => {
    if (!recipe || !next) return;
    const isAsked = next.name !== recipe.method && switchQuestion(recipe, next, open) !== null;
    setAsked(isAsked ? next : null);
    if (!isAsked) studio.chooseMethod(next);
  };
  return (
    <section aria-labelledby="method-title" className={styles.section}>
      <h2 id="method-title">How to blend</h2>
      <div className={styles.pick}>
        <NativeSelect
          label="Method"
          disabled={isDisabled}
          value={question?.method.name ?? recipe?.method ?? 'varm'}
          onChange={(event) => pick(METHODS.get(event.currentTarget.value))}
          data={METHOD_GROUPS.map(({ family, methods }) => ({
            group: family,
            items: methods.map(({ name, title }) => ({ value: name, label: title })),
          }))}
        />
        <MethodFinder current={recipe?.method ?? null} isDisabled={isDisabled} onPick={pick} />
      </div>
      <MethodSentence method={question?.method ?? method} />
      {recipe && method && !question && !isTextOnly(recipe) && (
        <div className={styles.start}>
          <PresetMenu key={method.name} method={method} isDisabled={isDisabled} />
          {isBroken && <p className={styles.note}>Waiting for the recipe.</p>}
        </div>
      )}
      {question && method && (
        <MethodQuestion
          key={question.method.name}
          question={question}
          currentTitle={method.title}
          onKeep={() => setAsked(null)}
          onAnswer={(models) => {
            setAsked(null);
            studio.chooseMethod(question.method, models);
          }}
        />
      )}
      {recipe && method && !question && <Parameters recipe={recipe} method={method} isDisabled={isBroken} />}
    </section>
  );
}

/** What a method does; the rest of what is known of it behind a button. */
function MethodSentence({ method }: { method: Method | undefined }) {
  const hasModels = useStudio((state) => state.checkpoints.length > 1);
  if (!method) {
    return (
      <p className={styles.help}>
        {hasModels ? 'Undo, or open a recipe, to choose.' : 'Open a second checkpoint to choose.'}
      </p>
    );
  }
  return (
    <div className={styles.summary}>
      <p className={styles.help}>{method.summary}</p>
      <MethodHelp key={method.name} method={method} />
    </div>
  );
}

function Parameters({ recipe, method, isDisabled }: { recipe: Recipe; method: Method; isDisabled: boolean }) {
  const shared = settable(method.params);
  const choices = shared.filter(([, { kind }]) => kind === 'choice');
  const numbers = shared.filter(([, { kind }]) => kind === 'number');
  const switches = shared.filter(([, { kind }]) => kind === 'boolean');
  return (
    <fieldset className={styles.fields} disabled={isDisabled}>
      <legend className={styles.hidden}>Parameters</legend>
      <div className={styles.choices}>
        {choices.map(([name, parameter]) => (
          <Control key={name} recipe={recipe} name={name} parameter={parameter} model={null} />
        ))}
      </div>
      {[...numbers, ...switches].map(([name, parameter]) => (
        <Control key={name} recipe={recipe} name={name} parameter={parameter} model={null} />
      ))}
      {isTextOnly(recipe) ? (
        <p className={styles.note}>
          This recipe {recipe.modules ? 'takes layers from several models' : 'has several parts'}; what each model
          brings is set in its text below.
        </p>
      ) : (
        settable(method.perModel).map(([name, parameter]) => (
          <div key={name} className={styles.perModel}>
            <h3>
              {name} <ParameterHelp name={name} parameter={parameter} isPerModel />
            </h3>
            {recipe.models.map(({ model }, index) => (
              <Control key={model} recipe={recipe} name={name} parameter={parameter} model={model} index={index} />
            ))}
          </div>
        ))
      )}
    </fieldset>
  );
}

interface ControlProps {
  readonly recipe: Recipe;
  readonly name: string;
  readonly parameter: Exclude<Parameter, { kind: 'ignored' }>;
  readonly model: string | null;
  readonly index?: number;
}

function Control({ recipe, name, parameter, model, index = -1 }: ControlProps) {
  const { studio } = useWorkbench();
  const { value, varies } = shownValue(recipe, name, parameter, model);
  const isHeld = useHeld(name, model);
  const accessibleName = model === null ? name : `${name} of ${model}`;
  const set = (next: Scalar | null, gesture?: string) =>
    studio.sweep((text) => setParameter(text, { model, name, value: next }), gesture);

  if (parameter.kind === 'number') {
    const control = (caption: ReactNode) => (
      <NumberControl
        name={accessibleName}
        caption={caption}
        value={typeof value === 'number' ? value : null}
        {...range(parameter)}
        canUnset={parameter.default === null}
        unsetWord={model === null ? 'off' : 'auto'}
        varies={varies}
        isDisabled={isHeld}
        onChange={set}
      />
    );
    if (model === null) {
      return (
        <div className={styles.number}>
          <span className={styles.named}>
            {name} <ParameterHelp name={name} parameter={parameter} />
          </span>
          {control(null)}
        </div>
      );
    }
    return control(
      <span className={styles.model} title={isHeld ? `${model} is locked in the mixer` : model}>
        <ModelLetter index={index} /> <span>{shortNames(recipe.models.map((m) => m.model))[index]}</span>
      </span>,
    );
  }
  if (parameter.kind === 'boolean') {
    return (
      <div className={styles.named}>
        <Switch
          label={accessibleName}
          checked={value === true}
          onChange={(event) => set(event.currentTarget.checked)}
        />
        <ParameterHelp name={name} parameter={parameter} />
      </div>
    );
  }
  return (
    <div className={styles.choice}>
      <NativeSelect
        label={accessibleName}
        description={parameter.optionHelp[String(value)] ?? parameter.help}
        value={String(value)}
        data={[...parameter.options]}
        onChange={(event) => set(event.currentTarget.value)}
      />
      <ParameterHelp name={name} parameter={parameter} />
    </div>
  );
}

/** More steps than this are no use on a slider of some hundred pixels. */
const MOST_SLIDER_STEPS = 2000;

function range({ min, max, step, strict }: NumberParameter) {
  const hasSlider = (max - min) / step <= MOST_SLIDER_STEPS;
  // Whole numbers without an order, such as seeds, can be drawn as well as typed.
  const canDraw = !hasSlider && step === 1 && strict;
  return { min, max, step, hasSlider, canDraw };
}
