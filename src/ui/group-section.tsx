/** Groups by filter: which tensors get values of their own, one fader per model, in the order in which they decide. */

import { Button, NativeSelect } from '@mantine/core';
import { useId, useMemo, useState } from 'react';
import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { removeFilter } from '../recipe/filter-list.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { plural } from '../state/figures.ts';
import { isTextOnly } from '../state/recipe-edits.ts';
import { Fold } from './curve-fold.tsx';
import { type CurveParameter, curveParameters } from './curve-targets.ts';
import { filterOrder, filterWords, type Group, groupsOf, suggestedFilters } from './group-list.ts';
import { GroupRow } from './group-row.tsx';
import styles from './group-section.module.css';
import { useStudio, useTensorNames, useWorkbench } from './workbench-context.ts';

export function GroupSection() {
  return (
    <Fold title="Groups by name" part="groupsOpen">
      <GroupBody />
    </Fold>
  );
}

function GroupBody() {
  const recipe = useStudio((state) => state.recipe);
  const isBroken = useStudio((state) => state.problems.length > 0);
  const tensors = useTensorNames();
  const method = recipe ? METHODS.get(recipe.method) : undefined;
  if (!recipe || !method || tensors.length === 0) {
    return <p className={styles.note}>Once the models can be merged, their tensors can be grouped here.</p>;
  }
  if (isTextOnly(recipe)) {
    return (
      <p className={styles.note}>
        What each model brings is set in this recipe’s text; filters are written there, too.
      </p>
    );
  }
  if (curveParameters(method).length === 0) {
    return <p className={styles.note}>{method.title} has no number that could differ from group to group.</p>;
  }
  return <Groups key={method.name} recipe={recipe} method={method} tensors={tensors} isFixed={isBroken} />;
}

interface GroupsProps {
  readonly recipe: Recipe;
  readonly method: Method;
  readonly tensors: readonly string[];
  readonly isFixed: boolean;
}

function Groups(props: GroupsProps) {
  const parameters = curveParameters(props.method);
  const [chosen, setChosen] = useState('');
  const target = parameters.find(({ name }) => name === chosen) ?? parameters[0];
  if (!target) return null;
  return <GroupsOf key={target.name} {...props} parameters={parameters} target={target} onTarget={setChosen} />;
}

interface GroupsOfProps extends Omit<GroupsProps, 'method'> {
  readonly parameters: readonly CurveParameter[];
  readonly target: CurveParameter;
  readonly onTarget: (name: string) => void;
}

function GroupsOf({ recipe, tensors, isFixed, parameters, target, onTarget }: GroupsOfProps) {
  const { name, isPerModel } = target;
  // Filters that were typed and have no value yet: nothing of them stands in the recipe.
  const [typed, setTyped] = useState<readonly string[]>([]);
  const order = useMemo(() => filterOrder(recipe, name, typed), [recipe, name, typed]);
  const groups = useMemo(
    () => groupsOf(recipe, name, isPerModel, order, tensors),
    [recipe, name, isPerModel, order, tensors],
  );
  const named = groups.filter(({ isCell }) => !isCell);
  const cells = groups.filter(({ isCell }) => isCell);
  return (
    <div className={styles.body}>
      <div className={styles.head}>
        <NativeSelect
          label="Groups of"
          value={name}
          onChange={(event) => onTarget(event.currentTarget.value)}
          data={parameters.map((own) => own.name)}
        />
        <NewGroup
          tensors={tensors}
          taken={order}
          isFixed={isFixed}
          onAdd={(filter) => setTyped((before) => [...before, filter])}
        />
      </div>
      {named.length === 0 ? (
        <p className={styles.note}>No group yet: every tensor goes by the value of {name} that holds for all.</p>
      ) : (
        <ol className={styles.list} aria-label={`Groups of ${name}`}>
          {named.map((group, index) => (
            <GroupRow
              key={group.filter}
              group={group}
              above={named[index - 1] ?? null}
              below={named[index + 1] ?? null}
              name={name}
              parameter={target.parameter}
              models={recipe.models.map(({ model }) => model)}
              order={order}
              tensors={tensors}
              isFixed={isFixed}
              onForget={() => setTyped((before) => before.filter((own) => own !== group.filter))}
            />
          ))}
        </ol>
      )}
      {named.length > 1 && <p className={styles.note}>A tensor goes by the first group that finds it.</p>}
      {cells.length > 0 && <CellList name={name} cells={cells} isFixed={isFixed} />}
    </div>
  );
}

interface NewGroupProps {
  readonly tensors: readonly string[];
  readonly taken: readonly string[];
  readonly isFixed: boolean;
  readonly onAdd: (filter: string) => void;
}

/** A field for a part of names, with those that the models have to choose from. */
function NewGroup({ tensors, taken, isFixed, onAdd }: NewGroupProps) {
  const [words, setWords] = useState('');
  const id = useId();
  const suggestions = useMemo(() => suggestedFilters(tensors), [tensors]);
  const filter = words.trim();
  const isTaken = taken.includes(filter);
  const obstacle = isTaken ? 'There is such a group already.' : filterWords(filter, tensors);
  return (
    <form
      className={styles.add}
      onSubmit={(event) => {
        event.preventDefault();
        if (filter === '' || filter === '*' || isTaken || isFixed) return;
        onAdd(filter);
        setWords('');
      }}
    >
      <label htmlFor={id} className={styles.label}>
        New group
      </label>
      <input
        id={id}
        type="text"
        className={styles.input}
        list={`${id}-suggestions`}
        aria-describedby={`${id}-words`}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        maxLength={200}
        disabled={isFixed}
        value={words}
        onChange={(event) => setWords(event.currentTarget.value)}
      />
      <datalist id={`${id}-suggestions`}>
        {suggestions.map((own) => (
          <option key={own} value={own} />
        ))}
      </datalist>
      <Button type="submit" variant="default" disabled={filter === '' || filter === '*' || isTaken || isFixed}>
        Add group
      </Button>
      <p id={`${id}-words`} className={styles.words} aria-live="polite">
        {obstacle}
      </p>
    </form>
  );
}

/** Cells, layers and tensors that were set one by one: counted, and listed where somebody looks. */
function CellList({ name, cells, isFixed }: { name: string; cells: readonly Group[]; isFixed: boolean }) {
  const { studio } = useWorkbench();
  const [isOpen, setOpen] = useState(false);
  const remove = (filters: readonly string[]) => studio.sweep((text) => removeFilter(text, { name, filters }));
  return (
    <details className={styles.cells} open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Set one by one, as on the map: {plural(cells.length, 'place')}</summary>
      {isOpen && (
        <>
          <ul className={styles.places}>
            {cells.slice(0, MOST_PLACES).map(({ filter, values }) => (
              <li key={filter}>
                <code>{filter}</code>
                <span>{valuesText(values)}</span>
                <Button
                  variant="subtle"
                  color="gray"
                  size="compact-xs"
                  aria-label={`Remove ${filter}`}
                  disabled={isFixed}
                  onClick={() => remove([filter])}
                >
                  Remove
                </Button>
              </li>
            ))}
          </ul>
          {cells.length > MOST_PLACES && <p className={styles.note}>And {cells.length - MOST_PLACES} more.</p>}
          <Button
            variant="subtle"
            color="gray"
            size="compact-xs"
            disabled={isFixed}
            onClick={() => remove(cells.map(({ filter }) => filter))}
          >
            Remove all of these
          </Button>
        </>
      )}
    </details>
  );
}

/** Places that are listed. */
const MOST_PLACES = 100;

function valuesText(values: Group['values']): string {
  return values
    .flatMap(({ model, value }) => {
      if (value === null) return [];
      return [`${model ?? 'all'}: ${typeof value === 'object' ? `[${value.join(', ')}]` : value}`];
    })
    .join(' · ');
}
