"""Code, docstring and equation of every function in rackline.physics say the same."""

import re

import numpy as np
import pytest
import sympy

from tests.physics import equations

FUNCTIONS = equations.functions()
COUNT = 400
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def test_there_are_equations_to_check():
    assert len(FUNCTIONS) > 60


@each_function
def test_the_docstring_has_unit_equation_limits_source_and_example(name):
    function = FUNCTIONS[name]
    first = function.__doc__.split("\n")[0]
    assert re.search(r"\S \[[^\]]+\]\.$", first), first
    assert all(equations.field(function, label) for label in ("Eq", "Ignores", "Source"))
    assert f">>> {name.split('.')[1]}(" in function.__doc__


@each_function
def test_the_equation_s_symbols_are_the_parameters(name):
    expression, _ = equations.equation(FUNCTIONS[name])
    assert {str(s) for s in expression.free_symbols} == set(equations.names(FUNCTIONS[name]))


@each_function
def test_the_code_computes_the_equation(name):
    function = FUNCTIONS[name]
    expression, symbols = equations.equation(function)
    given = equations.draw(function, np.random.default_rng(7), COUNT)
    np.testing.assert_allclose(function(**given), equations.evaluate(expression, symbols, given), rtol=1e-12)


@each_function
def test_scalars_give_what_arrays_give(name):
    function = FUNCTIONS[name]
    given = equations.draw(function, np.random.default_rng(3), 5)
    scalars = [function(**{key: value[i].item() for key, value in given.items()}) for i in range(5)]
    assert all(np.ndim(value) == 0 for value in scalars)
    np.testing.assert_allclose(scalars, function(**given), rtol=1e-14)


@each_function
def test_arguments_broadcast(name):
    function = FUNCTIONS[name]
    given = equations.draw(function, np.random.default_rng(5), 3)
    first = next(iter(given))
    grid = function(**{key: value[:, None] if key == first else value[None, :] for key, value in given.items()})
    assert np.shape(grid) == ((3, 3) if len(given) > 1 else (3, 1))
    diagonal = grid.diagonal() if len(given) > 1 else grid[:, 0]
    np.testing.assert_allclose(diagonal, function(**given), rtol=1e-14)


def test_a_wrong_equation_is_caught():
    def wrong(x, y):
        """A sum that its equation calls a difference [1].

        Eq: z = x - y
        """
        return x + y

    expression, symbols = equations.equation(wrong)
    given = equations.draw(wrong, np.random.default_rng(1), 50)
    assert not np.allclose(wrong(**given), equations.evaluate(expression, symbols, given))


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items()
                                  if equations.equation(f)[0].has(sympy.Max, sympy.Min, sympy.Piecewise)])
def test_the_random_arguments_reach_every_branch(name):
    function = FUNCTIONS[name]
    expression, symbols = equations.equation(function)
    given = equations.draw(function, np.random.default_rng(7), COUNT)
    for part in expression.atoms(sympy.Max, sympy.Min):
        values = [equations.evaluate(a, symbols, given) for a in part.args if not a.has(sympy.Piecewise)]
        if len(values) == 2:
            assert (values[0] < values[1]).any(), part
            assert (values[0] >= values[1]).any(), part
    for part in expression.atoms(sympy.Piecewise):
        holds = [equations.evaluate(condition, symbols, given) for _, condition in part.args]
        taken = np.argmax(np.array(holds), axis=0)
        assert set(taken) == set(range(len(part.args))), part
