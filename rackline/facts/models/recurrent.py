"""Linear attention and state-space mixers of one layer: matrices, state and the work on it.

Conventions: the state's numbers are kept in fp32 and the convolution's last inputs in bf16, so `state_bytes` is their
mean. `state_work` counts multiply-adds on the state and in the short convolution; A_log, D, shifts are vectors.
"""

from __future__ import annotations

from rackline.facts.model import Attention, Cut, Matrix
from rackline.facts.models.families import Family
from rackline.facts.models.fields import Fields, divides


def _matrix(name: str, inputs: int, outputs: int, cut: Cut = "heads", bias: bool = False) -> Matrix:
    return Matrix(name, inputs, outputs, "attention", cut, outputs if bias else 0)


def _mixer(matrices: tuple[Matrix, ...], vectors: int, heads: int, state: int, work: int, shift: int = 0) -> Attention:
    """A linear mixer whose sequences keep `state` fp32 numbers and `shift` bf16 numbers."""
    numbers = state + shift
    return Attention("linear", matrices, vectors, heads=heads, state=numbers,
                     state_bytes=(4 * state + 2 * shift) / numbers, state_work=work)


def delta(fields: Fields, family: Family) -> Attention:
    """Gated delta net (Qwen3-Next): state of key width × value width per value head.

    Work: S·k, the update v⊗k and S·q are one multiply-add per number of the state each.
    """
    hidden = fields.size("hidden_size")
    heads, key_heads = fields.size("linear_num_value_heads"), fields.size("linear_num_key_heads")
    divides("linear_num_value_heads", heads, "linear_num_key_heads", key_heads)
    key_width, value_width = fields.size("linear_key_head_dim"), fields.size("linear_value_head_dim")
    keys, values, kernel = key_heads * key_width, heads * value_width, fields.size("linear_conv_kernel_dim")
    mixed = 2 * keys + values
    state = heads * key_width * value_width
    return _mixer((_matrix("in_qkvz", hidden, mixed + values), _matrix("in_ba", hidden, 2 * heads),
                   _matrix("out", values, hidden)),
                  mixed * kernel + 2 * heads + value_width, heads, state, 3 * state + mixed * kernel,
                  mixed * (kernel - 1))


def mamba2(fields: Fields, family: Family) -> Attention:
    """Mamba-2: state of head width × state size per head; decay-and-add, then read."""
    hidden, heads, width = fields.size("hidden_size"), fields.size("mamba_num_heads"), fields.size("mamba_head_dim")
    groups, states, kernel = fields.size("n_groups"), fields.size("ssm_state_size"), fields.size("conv_kernel")
    divides("mamba_num_heads", heads, "n_groups", groups)
    inner = heads * width
    mixed = inner + 2 * groups * states
    bias = fields.flag("use_bias") or fields.flag("mamba_proj_bias")
    convolution = mixed * (kernel + fields.flag("use_conv_bias"))
    state = inner * states
    return _mixer((_matrix("in", hidden, inner + mixed + heads, bias=bias), _matrix("out", inner, hidden, bias=bias)),
                  convolution + 3 * heads + inner, heads, state, 2 * state + mixed * kernel, mixed * (kernel - 1))


def mamba1(fields: Fields, family: Family) -> Attention:
    """Mamba: state of inner width × state size; Jamba adds norms on the step and on both projections of the state."""
    hidden, states, kernel = fields.size("hidden_size"), fields.size("ssm_state_size"), fields.size("conv_kernel")
    inner = fields.size("mamba_intermediate_size", fields.size("expand", 2) * hidden)
    rank = _step_rank(fields, hidden)
    bias = fields.flag("use_bias")
    normed = rank + 2 * states if fields.family == "jamba" else 0
    state = inner * states
    return _mixer((_matrix("in", hidden, 2 * inner, bias=bias), _matrix("x", inner, rank + 2 * states),
                   _matrix("step", rank, inner, bias=True), _matrix("out", inner, hidden, bias=bias)),
                  inner * (kernel + fields.flag("use_conv_bias")) + state + inner + normed, 0, state,
                  2 * state + inner * kernel, inner * (kernel - 1))


def _step_rank(fields: Fields, hidden: int) -> int:
    if fields.given.get("time_step_rank") in ("auto", None):
        fields.touch("time_step_rank")
        rank = fields.taken["time_step_rank"] = -(-hidden // 16)  # the class's rule for "auto"
        return rank
    return fields.size("time_step_rank")


def lightning(fields: Fields, family: Family) -> Attention:
    """Lightning attention (MiniMax-01, M1): state of width × width per head, output gate and norm."""
    hidden, heads, width = fields.size("hidden_size"), fields.size("num_attention_heads"), fields.size("head_dim")
    inner = heads * width
    state = inner * width
    return _mixer((_matrix("qkv", hidden, 3 * inner), _matrix("gate", hidden, inner), _matrix("out", inner, hidden)),
                  inner, heads, state, 2 * state)


def rwkv4(fields: Fields, family: Family) -> Attention:
    """RWKV-4's time mixing: five vectors of state a layer (two shifts, numerator, denominator, maximum)."""
    hidden = fields.size("hidden_size")
    inner = fields.size("attention_hidden_size", hidden)
    matrices = (*(_matrix(name, hidden, inner) for name in ("k", "v", "r")), _matrix("out", inner, hidden))
    return _mixer(matrices, 2 * inner + 3 * hidden, 0, 3 * inner + 2 * hidden, 4 * inner)


def rwkv5(fields: Fields, family: Family) -> Attention:
    """RWKV-5's time mixing: state of width × width per head, gate, group norm."""
    hidden, width = fields.size("hidden_size"), fields.size("head_size")
    inner = fields.size("attention_hidden_size", hidden)
    divides("attention_hidden_size", inner, "head_size", width)
    state = inner * width
    matrices = (*(_matrix(name, hidden, inner) for name in ("k", "v", "r", "gate")), _matrix("out", inner, hidden))
    return _mixer(matrices, 2 * inner + 4 * hidden + 2 * inner, inner // width, state, 2 * state, 2 * hidden)


RECURRENT = {"delta": delta, "mamba1": mamba1, "mamba2": mamba2, "lightning": lightning, "rwkv4": rwkv4,
             "rwkv5": rwkv5}
