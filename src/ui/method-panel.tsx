/** The method and its parameters. Every control here is derived from the method's declaration. */

import { NativeSelect, Switch } from '@mantine/core';
import { METHODS } from '../methods/index.ts';
import type { NumberParameter, Parameter } from '../methods/method.ts';
import type { Recipe, Scalar } from '../recipe/recipe.ts';
import { setMethod, setParameter } from '../recipe/yaml.ts';
import { settable, shownValue } from '../state/shown-value.ts';
import styles from './method-panel.module.css';
import { ModelLetter } from './model-letter.tsx';
import { NumberControl } from './number-control.tsx';
import { shortNames } from './short-names.ts';
import { useStudio, useWorkbench } from './workbench-context.ts';

export function MethodPanel() {
  const { studio } = useWorkbench();
  const recipe = useStudio((state) => state.recipe);
  const isBroken = useStudio((state) => state.problems.length > 0);
  const method = recipe ? METHODS.get(recipe.method) : undefined;
  const shared = settable(method?.params ?? {});
  const choices = shared.filter(([, { kind }]) => kind === 'choice');
  const others = shared.filter(([, { kind }]) => kind !== 'choice');
  return (
    <section aria-labelledby="method-title" className={styles.section}>
      <h2 id="method-title">How to blend</h2>
      <NativeSelect
        label="Method"
        description={method?.summary ?? 'Open a second checkpoint to choose.'}
        disabled={!recipe || isBroken}
        value={recipe?.method ?? 'varm'}
        onChange={(event) => {
          const name = event.currentTarget.value;
          studio.edit((text) => setMethod(text, name));
        }}
        data={[...METHODS.values()].map(({ name, title }) => ({ value: name, label: title }))}
      />
      {isBroken && <p className={styles.note}>The controls wait until the recipe below can be read again.</p>}
      {recipe && method && (
        <fieldset className={styles.fields} disabled={isBroken}>
          <legend className={styles.hidden}>Parameters</legend>
          <div className={styles.choices}>
            {choices.map(([name, parameter]) => (
              <Control key={name} recipe={recipe} name={name} parameter={parameter} model={null} />
            ))}
          </div>
          {others.map(([name, parameter]) => (
            <Control key={name} recipe={recipe} name={name} parameter={parameter} model={null} />
          ))}
          {settable(method.perModel).map(([name, parameter]) => (
            <div key={name} className={styles.perModel}>
              <h3>{name}</h3>
              <p className={styles.help}>{parameter.help}</p>
              {recipe.models.map(({ model }, index) => (
                <Control key={model} recipe={recipe} name={name} parameter={parameter} model={model} index={index} />
              ))}
            </div>
          ))}
        </fieldset>
      )}
    </section>
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
  const accessibleName = model === null ? name : `${name} of ${model}`;
  const set = (next: Scalar | null, gesture?: string) =>
    studio.edit((text) => setParameter(text, { model, name, value: next }), gesture);

  if (parameter.kind === 'number') {
    const caption =
      model === null ? (
        name
      ) : (
        <span className={styles.model} title={model}>
          <ModelLetter index={index} /> <span>{shortNames(recipe.models.map((m) => m.model))[index]}</span>
        </span>
      );
    return (
      <div>
        <NumberControl
          name={accessibleName}
          caption={caption}
          value={typeof value === 'number' ? value : null}
          {...range(parameter)}
          canUnset={parameter.default === null}
          unsetWord={model === null ? 'off' : 'auto'}
          varies={varies}
          onChange={set}
        />
        {model === null && <p className={styles.help}>{parameter.help}</p>}
      </div>
    );
  }
  if (parameter.kind === 'boolean') {
    return (
      <Switch
        label={accessibleName}
        description={parameter.help}
        checked={value === true}
        onChange={(event) => set(event.currentTarget.checked)}
      />
    );
  }
  return (
    <NativeSelect
      label={accessibleName}
      description={parameter.optionHelp[String(value)] ?? parameter.help}
      value={String(value)}
      data={[...parameter.options]}
      onChange={(event) => set(event.currentTarget.value)}
    />
  );
}

function range({ min, max, step }: NumberParameter) {
  return { min, max, step };
}
