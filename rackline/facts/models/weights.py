"""Number formats by role from what a configuration says of its quantisation; nothing said, nothing guessed."""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from rackline.errors import BadInput
from rackline.facts.models.plan import Slot

_DTYPES = {"bfloat16": "bf16", "bf16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32",
           "fp8": "fp8", "float8_e4m3fn": "fp8"}
# where the weights of each role sit inside a layer, as the published checkpoints of different classes spell it
_SELF = ("self_attn.q_proj", "self_attn.o_proj", "self_attn.q_b_proj", "self_attn.kv_b_proj", "mixer.q_proj")
_LINEAR = ("linear_attn.in_proj_qkvz", "linear_attn.in_proj_qkv", "linear_attn.out_proj", "mixer.in_proj")
_DENSE = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "feed_forward.up_proj", "mixer.up_proj")
_EXPERTS = ("mlp.experts.0.gate_proj", "mlp.experts.0.down_proj", "block_sparse_moe.experts.0.w1",
            "feed_forward.experts.0.up_proj", "mixer.experts.0.up_proj", "mlp.experts.gate_up_proj")
_SHARED = ("mlp.shared_experts.gate_proj", "mlp.shared_experts.down_proj", "mlp.shared_expert.gate_proj",
           "feed_forward.shared_expert.gate_proj", "mixer.shared_experts.up_proj")
_GEMMA4 = {"experts": ("experts.gate_up_proj", "experts.0.gate_proj", "moe.experts.0.up_proj"), "shared": _DENSE}
_ROLES = ("attention", "dense", "experts", "shared")
_IN_LAYER = re.compile(r"layers\.(\d+)(?:\.|(?=\*)|$)(.*)$")
_QUANTISED_NAME = re.compile(r"nvfp4|mxfp4|fp8|fp4|int4|int8|awq|gptq|w4a16|w8a8", re.I)


def dtype(data: Mapping[str, Any], notes: list[str]) -> str:
    """The format of weights that nothing quantises; bf16 with a note where the file does not say."""
    name = data.get("torch_dtype", data.get("dtype"))
    if name is None or name == "auto":
        notes.append("the file names no dtype: what is not quantised is counted in bf16")
        return "bf16"
    if not isinstance(name, str) or name.removeprefix("torch.") not in _DTYPES:
        raise BadInput("torch_dtype", f"must be one of {', '.join(_DTYPES)}", name)
    return _DTYPES[name.removeprefix("torch.")]


def formats(data: Mapping[str, Any], name: str, slots: list[Slot], notes: list[str]) -> tuple[dict[str, str], str]:
    """Format by role and format of the KV cache, from dtype and quantization_config."""
    base = dtype(data, notes)
    plain = "bf16" if base == "fp8" else base
    by_role = dict.fromkeys(("attention", "dense", "experts", "shared", "embedding", "head", "small"), plain)
    settings = data.get("quantization_config") or data.get("quantization") or data.get("compression_config")
    if settings is None:
        if base == "fp8":  # DeepSeek's native files say only this: every linear layer but router and head
            return by_role | dict.fromkeys(_ROLES, "fp8"), "bf16"
        if _QUANTISED_NAME.search(name):
            notes.append(f"the name {name.split()[0].rstrip(':')} says the weights are quantised, the file does not: "
                         f"counted in {plain}")
        return by_role, "bf16"
    if not isinstance(settings, dict):
        raise BadInput("quantization_config", "must be an object", settings)
    stored, kept = _stored(settings), _Kept.of(settings)
    for role in _ROLES:
        share = _kept_share(role, kept, slots, data.get("model_type") in ("gemma4", "gemma4_text"))
        by_role[role] = plain if share > 0.5 else stored
        if 0 < share < 1:
            notes.append(f"{role}: {share:.0%} of the layers are kept in {plain}, the rest in {stored}; all are "
                         f"counted in {by_role[role]}")
    return by_role, _kv(settings)


def _stored(settings: dict[str, Any]) -> str:
    """The format of quantised weights."""
    algorithm = settings.get("quant_algo")
    if algorithm is not None:
        return _known("quant_algo", str(algorithm).upper(),
                      {"NVFP4": "nvfp4", "FP8": "fp8", "FP8_PB_WO": "fp8", "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
                       "MXFP8": "mxfp8", "W4A16_AWQ": "int4", "W4A16": "int4", "W8A16": "int8", "W4A8_MXFP4_FP8":
                       "mxfp4", "INT8_SQ": "int8"})
    method = settings.get("quant_method")
    if method in ("gptq", "awq", "auto-round", "auto_round"):
        return _known("bits", settings.get("bits", settings.get("w_bit")), {4: "int4", 8: "int8"})
    if method == "bitsandbytes":
        return "int4" if settings.get("load_in_4bit") is True else "int8"
    if method == "compressed-tensors" or (method in (None, "modelopt") and "config_groups" in settings):
        return _from_groups(settings.get("config_groups"))
    return _known("quant_method", method, {"fp8": "fp8", "fbgemm_fp8": "fp8", "mxfp4": "mxfp4", "nvfp4": "nvfp4"})


def _from_groups(groups: Any) -> str:
    """compressed-tensors: bits, type and group size of the weights."""
    found = set()
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(weights, dict):
            found.add((str(weights.get("type")), weights.get("num_bits"), weights.get("group_size") if weights.get(
                "num_bits") == 4 and weights.get("type") == "float" else None))
    if len(found) != 1 or not all(isinstance(part, str | int | None) for part in next(iter(found))):
        raise BadInput("quantization_config", "must name one format of weights", sorted(map(str, found)))
    return _known("quantization_config", next(iter(found)), {
        ("float", 8, None): "fp8", ("int", 8, None): "int8", ("int", 4, None): "int4",
        ("float", 4, 16): "nvfp4", ("float", 4, 32): "mxfp4"})


def _known(what: str, value: Any, table: dict[Any, str]) -> str:
    if isinstance(value, list | dict) or value not in table:
        raise BadInput(what, f"must be one of {', '.join(map(str, table))}", value)
    return table[value]


@dataclass(frozen=True)
class _Kept:
    """Modules that are not quantised: tests of names in every layer, and in single layers."""

    everywhere: tuple[Any, ...]
    single: Mapping[int, frozenset[str]]  # layer -> patterns inside it

    @staticmethod
    def of(settings: dict[str, Any]) -> _Kept:
        everywhere, single = [], defaultdict(set)
        for pattern in _patterns(settings):
            inside = None if pattern.startswith("re:") else _IN_LAYER.search(pattern)
            if inside:
                single[int(inside[1])].add(inside[2])
            elif not pattern.endswith("norm"):
                everywhere.append(_matcher(pattern))
        return _Kept(tuple(everywhere), {layer: frozenset(found) for layer, found in single.items()})


def _patterns(settings: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for field in ("ignore", "modules_to_not_convert", "exclude_modules", "ignored_layers"):
        patterns = settings.get(field)
        if patterns is None:
            continue
        if not isinstance(patterns, list) or any(not isinstance(p, str) or len(p) > 300 for p in patterns):
            raise BadInput(field, "must be a list of short texts", patterns)
        found += patterns
    return found


def _kept_share(role: str, kept: _Kept, slots: list[Slot], gemma4: bool) -> float:
    """The share of the layers that have this role whose matrices of it are kept out of quantisation."""
    having = [(i, _modules(role, slot, gemma4)) for i, slot in enumerate(slots)]
    having = [(i, modules) for i, modules in having if modules]
    count = sum(_is_kept(kept, i, modules) for i, modules in having)
    return count / len(having) if having else 0.0


def _modules(role: str, slot: Slot, gemma4: bool) -> tuple[str, ...]:
    """Names inside a layer of the role's weights; none where the layer has no such role."""
    if role == "attention":
        return {"none": (), "linear": _LINEAR}.get(slot.mixer, _SELF)
    if role == "dense":
        return _DENSE if slot.feed == "dense" else ()
    if slot.feed != "moe":
        return ()
    return _GEMMA4[role] if gemma4 else {"experts": _EXPERTS, "shared": _SHARED}[role]


def _is_kept(kept: _Kept, layer: int, modules: tuple[str, ...]) -> bool:
    return any(_inside(rest, modules) for rest in kept.single.get(layer, ())) or any(
        _tests(test, modules) for test in kept.everywhere)


@cache
def _inside(rest: str, modules: tuple[str, ...]) -> bool:
    """Whether a pattern inside one layer ("self_attn*", "", "mlp.gate") means one of the modules or a part above it."""
    if rest in ("", "*"):
        return True
    return any(fnmatch.fnmatchcase(name, rest) or name.startswith(rest.rstrip(".*") + ".") for name in modules)


@cache
def _tests(test: Any, modules: tuple[str, ...]) -> bool:
    return any(test(f"model.layers.0.{name}") for name in modules)


def _matcher(pattern: str) -> Any:
    """How the engines read a pattern: "re:" a regular expression, * a wildcard, otherwise a whole piece of the name."""
    if pattern.startswith("re:"):
        try:
            return re.compile(pattern[3:]).match
        except re.error:
            raise BadInput("ignore", "must be a regular expression after re:", pattern) from None
    if "*" in pattern:
        # a pattern with a wildcard inside may stop before the name does: "model.layers.*.self_attn"
        return re.compile(f"{fnmatch.translate(pattern)}|{fnmatch.translate(pattern + '.*')}").match
    bounded = re.compile(r"(^|\.)" + re.escape(pattern) + r"($|\.)")
    return bounded.search


def _kv(settings: dict[str, Any]) -> str:
    """The format of the KV cache, bf16 unless the file says another."""
    scheme = settings.get("kv_cache_scheme", settings.get("kv_cache_quant_algo"))
    if scheme is None:
        return "bf16"
    named = f"{scheme.get('type')} {scheme.get('num_bits')}" if isinstance(scheme, dict) else str(scheme)
    return _known("kv_cache_scheme", named.upper(), {
        "FP8": "fp8", "NVFP4": "nvfp4", "INT8": "int8", "NONE": "bf16", "FLOAT 8": "fp8", "INT 8": "int8",
        "FLOAT 4": "nvfp4"})
