/**
 * Statements: what can be said of statements before code is made of them: whether a function may end within one, and
 * how heavy they are.
 */

import type { Expression, Statement } from './syntax.ts';

/** Whether a return stands in a statement. */
export function returns(statement: Statement): boolean {
  switch (statement.kind) {
    case 'return':
      return true;
    case 'if':
      return statement.body.some(returns) || statement.otherwise.some(returns);
    case 'for':
    case 'block':
      return statement.body.some(returns);
    default:
      return false;
  }
}

/** About how many operations statements come to. */
export function weigh(statements: readonly Statement[]): number {
  return statements.reduce((sum, statement) => {
    switch (statement.kind) {
      case 'block':
        return sum + weigh(statement.body);
      case 'if':
        return sum + weighExpression(statement.condition) + weigh(statement.body) + weigh(statement.otherwise) + 2;
      case 'for':
        return sum + 4 * weigh(statement.body);
      case 'call':
        return sum + weighExpression(statement.call);
      case 'assign':
        return sum + 2 + weighExpression(statement.value);
      case 'declare':
      case 'return':
        return sum + (statement.value ? weighExpression(statement.value) : 0);
    }
  }, 0);
}

function weighExpression(expression: Expression): number {
  switch (expression.kind) {
    case 'literal':
    case 'name':
      return 0;
    case 'unary':
      return 1 + weighExpression(expression.operand);
    case 'binary':
      return 1 + weighExpression(expression.left) + weighExpression(expression.right);
    case 'index':
      return weighExpression(expression.array);
    case 'call': {
      const own = expression.name === 'exp' || expression.name === 'log' ? 30 : 2;
      return expression.args.reduce((sum, arg) => sum + weighExpression(arg), own);
    }
  }
}
