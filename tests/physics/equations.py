"""Reads the `Eq:` lines of rackline.physics for the tests, and evaluates them apart from the code."""

import importlib
import inspect
import math
import pkgutil
import re

import numpy as np
import sympy
from sympy.parsing.sympy_parser import parse_expr

import rackline.physics

# Sensible magnitudes, so that both sides of every Max and Piecewise are met; others lie between 1 and 100.
SPANS = {
    "B": (1, 1e5), "F": (1e14, 1e18), "W": (1e11, 1e15), "C": (1e10, 1e14), "L": (10, 1e6), "L0": (1e3, 1e6),
    "L_balance": (10, 1e6), "N_active": (1e8, 1e12), "N_total": (1e9, 1e13), "weights": (1e9, 1e13), "b": (1, 1e4),
    "weights_read": (1e8, 1e13), "read": (1e9, 1e14), "kv": (1e2, 1e6), "T": (1, 1e6), "t": (1e-4, 1), "w": (0.5, 4),
    "interval": (1e-3, 0.1), "pair_flops": (1e4, 1e8), "rate": (1e2, 1e7), "fleet": (1e6, 1e9), "r": (0.2, 20),
    "wire": (0.5, 4), "wire_out": (0.5, 4), "wire_back": (0.5, 4), "n": (1e3, 1e12), "bandwidth": (1e9, 1e12),
    "inside": (1e9, 1e12), "outside": (1e9, 1e12), "latency": (1e-7, 1e-3), "card": (1e-7, 1e-3),
    "switch": (1e-7, 1e-3), "hop": (1e-7, 1e-2), "number_bytes": (0.5, 4), "price": (0.1, 100), "group": (1, 64),
    "chip_capacity": (1e10, 1e12), "chip_bandwidth": (1e11, 1e13), "chip_bandwidth_before": (1e11, 1e13),
    "input_price": (0.1, 10), "output_price": (0.1, 10), "always": (1e9, 1e11), "layer_weights": (1e6, 1e11),
    "routed": (1e9, 1e13), "hold": (1, 1e6), "byte_price": (1e-14, 1e-10), "gap": (10, 1e4), "ttl": (10, 1e4),
    "retrieve_near": (1e-5, 1e-1), "retrieve_far": (1e-4, 1), "hold_near": (1e-7, 1e-4), "hold_far": (1e-8, 1e-5),
    "acceptance": (0.05, 0.95), "step": (1e-3, 0.1), "check": (1e-3, 0.1), "draft": (1e-5, 1e-3),
    "long": (2e3, 1e4), "short": (10, 1e3),
    "m": (1.1, 10), "s": (1.1, 10), "x": (0.05, 0.9), "R": (100, 600), "sparse": (1, 64),
    "capital": (1e3, 1e5), "power": (100, 2000), "energy_price": (0.02, 0.4),
    "longer": (1000, 1e4), "shorter": (10, 900),
    "memory_price": (1e-9, 1e-7), "cost": (1e4, 1e6), "C_needed": (1e9, 1e13), "share": (0.05, 0.95),
    "alpha": (0.2, 0.5), "beta": (0.2, 0.5), "A": (100, 1000), "E0": (1.5, 1.9), "D": (1e9, 1e13), "a": (0.1, 0.6),
    "loss_sought": (6, 10), "gain": (1.5, 8), "N_dense": (1e8, 1e12),
}
# Whole numbers; powers of two where one must divide another.
WHOLE = {
    "experts": lambda rng, n: 64 * 2 ** rng.integers(0, 4, n), "k": lambda rng, n: rng.integers(1, 9, n),
    "nodes": lambda rng, n: 2 ** rng.integers(1, 4, n), "limit": lambda rng, n: rng.integers(1, 5, n),
    "chips": lambda rng, n: 2 ** rng.integers(0, 7, n), "tokens": lambda rng, n: rng.integers(1, 1000, n),
    "g": lambda rng, n: rng.integers(1, 100, n), "wraps": lambda rng, n: rng.integers(0, 2, n),
    "past": lambda rng, n: rng.integers(0, 5000, n), "new": lambda rng, n: rng.integers(1, 5000, n),
    "window": lambda rng, n: rng.integers(1, 5000, n), "top_k": lambda rng, n: rng.integers(1, 100, n),
    "kv_heads": lambda rng, n: rng.integers(1, 65, n), "racks": lambda rng, n: rng.integers(1, 10, n),
    "copies": lambda rng, n: rng.integers(1, 9, n), "pieces": lambda rng, n: rng.integers(1, 5, n),
    "drafted": lambda rng, n: rng.integers(0, 9, n),
}


def functions():
    """Every public function of rackline.physics by "module.name"."""
    found = {}
    for info in pkgutil.iter_modules(rackline.physics.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"rackline.physics.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                found[f"{info.name}.{name}"] = function
    return found


def field(function, label):
    """The text after `label:` in a docstring and on the deeper lines below it, or None."""
    match = re.search(rf"^{label}: (.+(?:\n {{4}}.+)*)", inspect.getdoc(function) or "", re.M)
    return " ".join(match[1].split()) if match else None


def unit(function):
    """The unit in the brackets that end the docstring's first sentence."""
    return re.search(r"\[([^\]]+)\]\.$", inspect.getdoc(function).split("\n")[0])[1]


def names(function):
    """A function's parameters."""
    return list(inspect.signature(function).parameters)


def equation(function):
    """The right-hand side of a function's `Eq:` line, every parameter a positive symbol."""
    symbols = {name: sympy.Symbol(name) for name in names(function)}
    return parse_expr(field(function, "Eq").split(" = ", 1)[1], local_dict=symbols, evaluate=False), symbols


def draw(function, rng, count):
    """Random arguments of sensible size."""
    def one(name):
        if name in WHOLE:
            return WHOLE[name](rng, count)
        low, high = SPANS.get(name, (1, 100))
        return np.exp(rng.uniform(np.log(low), np.log(high), count))
    return {name: one(name) for name in names(function)}


def evaluate(expression, symbols, given):
    """The expression on arrays, binomials counted exactly."""
    exact = {"binomial": np.vectorize(lambda n, k: float(math.comb(round(n), round(k))))}
    with np.errstate(all="ignore"):  # every branch of a Piecewise is computed, also where it does not hold
        value = sympy.lambdify(list(symbols.values()), expression, [exact, "numpy"])(*given.values())
    return np.broadcast_to(value, len(next(iter(given.values()))))
