"""Every equation has the dimension that its docstring states, terms that are added or compared share one (pint)."""

import functools

import pint
import pytest
import sympy

from tests.physics import equations

FUNCTIONS = equations.functions()

# A FLOP is what a parameter costs a token; `cached` is a token read from the KV cache, `token` one computed.
UNITS = pint.UnitRegistry(None)
for line in ("second = [time] = s", "byte = [storage]", "param = [parameter]", "token = [token]", "cached = [cached]",
             "dollar = [money]", "watt = [power]", "FLOP = param * token", "hour = 3600 * second"):
    UNITS.define(line)

PARAMETERS = {
    "token": "B b T", "cached/token": "L L0 L_balance", "FLOP/s": "F", "byte/s": "W bandwidth inside outside link",
    "byte": "C C_needed weights weights_read read n always routed chip_capacity wire wire_out wire_back layer_weights",
    "param": "N_active N_total d",
    "byte/param": "w", "byte/cached": "kv number_bytes",
    "s": "t interval latency card switch hop hold gap ttl long short step check draft longer shorter",
    "dollar/hour": "price",
    "dollar/token": "input_price output_price long_price short_price base dearer cheaper", "token/s": "rate fleet",
    "dollar": "retrieve_near retrieve_far cost recompute capital own bought", "dollar/s": "hold_near hold_far",
    "dollar/(byte*hour)": "byte_price", "watt": "power", "dollar/hour/watt": "energy_price",
    "dollar/byte": "memory_price",
    "FLOP/cached": "pair_flops key_width value_width",
    "1": "chips experts k tokens destinations copies width nodes limit g axes wraps longest messages racks ratio"
         " domain links stages switches nodes_hit layers heads kv_heads head_dim d_ff vocab rank rope past new window"
         " top_k r premium stage E P E_before wires keys group acceptance drafted m s x sharing sparse years capacity"
         " again micro pieces ranks",
}
SPECIAL = {  # a name with another meaning in one place
    "passes_and_prices.kv_from_price_step": {"R": "token"},
    "capacity.domain_weight_time": {"chip_bandwidth": "byte/s"},
    "capacity.domain_speedup": {"chip_bandwidth": "byte/s", "chip_bandwidth_before": "byte/s"},
    "collectives.largest_tensor_cut": {"wire": "byte/token", "d_ff": "param"},
    "collectives.largest_decode_cut": {"wire": "byte/token", "d_ff": "param"},
    "cuts.cut_by_context_prefill": {"layer_kv": "byte"},
    "cuts.cut_by_context_decode": {"value_width": "1"},
    "attention.prompt_intensity": {"number_bytes": "byte/FLOP"},
    "tiers.hold_price": {"kv": "byte/token"},
    "charges.batch_below_balance": {"R": "token"},
    "charges.purchase_per_hour": {"years": "hour"},
    "designs.memory_price_at_share": {"share": "1"},
    "sparsity.loss": dict.fromkeys(("N_total", "A", "B", "alpha", "beta", "E0", "D"), "1"),
    "sparsity.tokens_for_loss": dict.fromkeys(("N_total", "A", "B", "alpha", "beta", "E0", "loss_sought"), "1"),
    "sparsity.parameters_for_loss": dict.fromkeys(("D", "A", "B", "alpha", "beta", "E0", "loss_sought"), "1"),
    "sparsity.exponent": {"gain": "1"},
    "sparsity.dense_equivalent": {"a": "1"},
    "sparsity.active_for_equal_quality": {"a": "1", "N_dense": "param"},
    "sparsity.total_parameters": {"share": "1"},
    "training.training_flops": {"N_active": "param"},
    "training.score_flops": {"L": "1", "width": "FLOP/token"},
    "training.hardware_flops": {"f": "FLOP"},
    "training.activation_bytes": {"L": "byte/token", "d": "byte/token"},
    "training.sequence_parallel_activation_bytes": {"L": "byte/token", "d": "byte/token"},
    "training.scores_kept_bytes": {"L": "byte/token"},
    "training.layer_input_bytes": {"d": "byte/token"},
    "training.state_bytes": {"N_total": "byte"},
    "blackboard.batch_one_penalty": {"weights_read": "byte/token"},
}


def dimension(text):
    return UNITS.parse_units("dimensionless" if text == "1" else text).dimensionality


def every_symbol():
    return {symbol: unit for unit, symbols in PARAMETERS.items() for symbol in symbols.split()}


def parameter_dimensions(name):
    known = every_symbol() | SPECIAL.get(name, {})
    return {sympy.Symbol(symbol): dimension(known[symbol]) for symbol in equations.names(FUNCTIONS[name])}


def dimension_of(expression, known):
    """The dimension of a sympy expression; None for 0 and infinity, which have any."""
    parts = [dimension_of(a, known) for a in expression.args]
    if expression in known:
        return known[expression]
    if expression.is_number:
        return None if expression in (0, sympy.oo) or any(p is None for p in parts) else dimension("1")
    if isinstance(expression, sympy.Mul):
        return functools.reduce(lambda a, b: a * b, parts)
    if isinstance(expression, sympy.Pow):
        exponent = expression.exp
        if not exponent.is_number:
            assert parts[1] == dimension("1"), f"exponent {exponent} has a dimension"
            assert parts[0] == dimension("1"), f"{expression.base} has a dimension and no fixed exponent"
            return parts[0]
        return parts[0] ** float(exponent)
    return _same(expression, [p for p in parts if p is not None])


def _same(expression, parts):
    # sums, Max, Min, Piecewise and its pieces, comparisons, floor, ceiling, binomial: one dimension throughout
    if isinstance(expression, sympy.core.relational.Relational | sympy.logic.boolalg.BooleanAtom):
        assert len(set(parts)) <= 1, f"{expression} compares {parts}"
        return None
    if isinstance(expression, sympy.functions.elementary.piecewise.ExprCondPair):
        return dimension_of(expression.args[0], {}) if not parts else parts[0]
    assert len(set(parts)) == 1, f"{expression} joins {parts}"
    return parts[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_equation_has_the_dimension_that_the_docstring_states(name):
    expression, _ = equations.equation(FUNCTIONS[name])
    assert dimension_of(expression, parameter_dimensions(name)) == dimension(equations.unit(FUNCTIONS[name]))


@pytest.mark.parametrize("text", ["B + W", "Max(B, L)", "F*w/(2*W) + N_active", "N_total/W + B*L*kv/W"])
def test_a_sum_of_unlike_things_is_caught(text):
    known = every_symbol()
    symbols = {name: sympy.Symbol(name) for name in known}
    expression = sympy.parsing.sympy_parser.parse_expr(text, local_dict=symbols, evaluate=False)
    with pytest.raises(AssertionError):
        dimension_of(expression, {s: dimension(known[str(s)]) for s in symbols.values()})
