"""Launch commands: options that exist, chips that add up, layouts that no engine runs said to be so."""

import json
import shlex

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.decisions.engine_rules import why_not
from rackline.decisions.engines import Launch, launch, launch_apart
from rackline.errors import BadInput
from rackline.facts.engines import engine, engines
from rackline.facts.fact import Fact
from rackline.facts.machine import Chip, Machine, Network
from rackline.facts.model import Attention, FeedForward, Layers, Matrix, Model
from rackline.facts.models import model as bundled_model
from rackline.facts.models import model_names
from rackline.systems.layout import Layout

NAMES = sorted(engines())


def model(heads: int, kv_heads: int, experts: int = 0, latent: bool = False) -> Model:
    attention = Attention("latent" if latent else "full", (), heads=heads, kv_heads=1 if latent else kv_heads,
                          cache_width=576, score_width=256, expanded_width=320 if latent else 0)
    up, down = Matrix("up", 64, 2048, "experts"), Matrix("down", 2048, 64, "experts")
    feed = FeedForward((), experts=experts, top_k=min(experts, 8), expert_matrices=(up, down) if experts else ())
    return Model("m", "m", 64, 1000, (Layers(60, attention, feed),), 64000, Matrix("head", 64, 1000, "head"))


def machine(chips: int = 512, vendor: str = "NVIDIA") -> Machine:
    def fact(value, unit):
        return Fact(value=value, unit=unit, source="made up for a test", date="2026-01-01")

    chip = Chip(name="c", title="c", vendor=vendor, flops={"bf16": fact(1e15, "flop/s")},
                memory_capacity=fact(1e11, "bytes"), memory_bandwidth=fact(1e12, "bytes/s"))
    network = Network(bandwidth=fact(1e11, "bytes/s"), latency=fact(1e-6, "seconds"))
    return Machine(name="m", title="m", chip=chip, chips=chips, domain=chips, scale_up=network, scale_out=network)


DEEPSEEK = model(128, 128, experts=256, latent=True)
LLAMA = model(64, 8)
MIXTRAL = model(32, 8, experts=8)

POWERS = st.sampled_from([1, 1, 2, 4, 8])


@st.composite
def requests(draw) -> Launch:
    data, context = draw(st.sampled_from([1, 1, 2, 8, 16, 72])), draw(st.sampled_from([1, 1, 1, 1, 1, 2]))
    tensor = draw(POWERS) if data == 1 or draw(st.booleans()) else 1
    expert = draw(st.sampled_from([1, tensor * data * context, 4]))
    layout = Layout(tensor, data, context, draw(st.sampled_from([1, 1, 2, 3])), expert, draw(st.integers(1, 3)))
    count = st.one_of(st.none(), st.integers(1, 100_000))
    return Launch(draw(st.sampled_from(["org/model", "/path/with space", "it's", "$(x);#y"])), layout,
                  max_sequences=draw(count), max_tokens=draw(count), max_length=draw(count),
                  kv_format=draw(st.sampled_from(["bf16", "bf16", "fp8", "fp8", "nvfp4", "int8"])),
                  weights=draw(st.sampled_from([None] * 6 + ["fp8"])),
                  memory_fraction=draw(st.sampled_from([None, 0.5, 0.92])),
                  role=draw(st.sampled_from(["together", "together", "prefill", "decode"])),
                  node=draw(st.sampled_from([None, 4, 8])), speculative=draw(st.integers(0, 3)),
                  architecture=draw(st.sampled_from([None, DEEPSEEK, LLAMA, MIXTRAL])))


def server_lines(text: str) -> list[list[str]]:
    """The words of each line that starts a server."""
    lines = [line for line in text.split("\n") if line.startswith(("vllm ", "sglang ", "trtllm-serve "))]
    return [shlex.split(line) for line in lines]


def yaml_of(text: str) -> dict[str, str]:
    """Dotted keys of the options file inside a block."""
    if "<<'END'" not in text:
        return {}
    found, above = {}, []
    for line in text.split("<<'END'\n")[1].split("\nEND")[0].split("\n"):
        depth = (len(line) - len(line.lstrip())) // 2
        key, _, value = line.strip().partition(":")
        above = [*above[:depth], key]
        if value:
            found[".".join(above)] = value.strip()
    return found


def options_of(words: list[str]) -> dict[str, str]:
    names = [i for i, w in enumerate(words) if w.startswith("--")]
    return {words[i]: words[i + 1] if i + 1 < len(words) and i + 1 not in names else "" for i in names}


def chips_of(name: str, text: str) -> int:
    """GPUs that one replica's options ask for, by each engine's own rule."""
    first = options_of(server_lines(text)[0])
    if name == "vllm":
        keys = ("--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size")
    elif name == "sglang":
        keys = ("--tp-size", "--pp-size")
    else:
        first, keys = yaml_of(text), ("tensor_parallel_size", "pipeline_parallel_size")
    return int(np.prod([int(first.get(key, 1)) for key in keys]))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), requests())
def test_commands_use_options_that_exist_and_ask_for_the_layouts_chips(name, request):
    command = launch(name, request)
    facts = engine(name)
    for _, text in command.commands:
        assert text.startswith(f"# {facts.title} {facts.version}")
        if command.reasons:
            assert all(line.startswith("#") for line in text.split("\n"))
            continue
        lines = server_lines(text)
        used = {o for words in lines for o in options_of(words)} | set(yaml_of(text))
        assert used <= set(facts.options)
        assert all(request.model in words for words in lines)
        assert chips_of(name, text) * request.layout.replicas == request.layout.chips
        for words in lines:
            given_values = options_of(words) | yaml_of(text)
            assert not {o for o, v in given_values.items() if v == str(facts.options[o].default).lower()}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["vllm", "sglang"]), requests())
def test_there_is_one_line_for_each_node_and_ranks_add_up(name, request):
    command = launch(name, request)
    if command.reasons:
        return
    lines = [options_of(words) for words in server_lines(command.commands[0][1])]
    nodes = -(-request.layout.replica // request.node) if request.node else 1
    assert len(lines) == nodes
    if nodes == 1:
        return
    assert all("HEAD_ADDRESS" in " ".join(line.values()) for line in lines)
    if name == "vllm" and request.layout.data > 1:
        local = [int(line["--data-parallel-size-local"]) for line in lines]
        starts = [int(line.get("--data-parallel-start-rank", 0)) for line in lines]
        assert sum(local) == request.layout.data
        assert starts == np.cumsum([0, *local[:-1]]).tolist()
    else:
        assert [int(line["--node-rank"]) for line in lines] == list(range(nodes))


def test_every_option_in_the_table_occurs_in_some_command():
    seen = {name: set() for name in NAMES}
    wide = Layout(tensor=1, data=72, expert=72)
    for name in NAMES:
        for layout, node in ((wide, 4), (Layout(tensor=8, pipeline=2), 8), (Layout(tensor=1, context=8), None)):
            for role in ("together", "prefill", "decode"):
                weights = "fp8" if engine(name).quantize else None
                request = Launch("m", layout, 99, 99, 99, "fp8", weights, 0.5, role, node, 2, DEEPSEEK)
                for _, text in launch(name, request).commands:
                    seen[name] |= {o for words in server_lines(text) for o in options_of(words)} | set(yaml_of(text))
    assert {name: set(engine(name).options) - seen[name] for name in NAMES} == {name: set() for name in NAMES}


def test_deepseek_on_72_chips_gets_whole_experts_everywhere():
    request = Launch("deepseek-ai/DeepSeek-V3", Layout(data=72, expert=72), node=4, architecture=DEEPSEEK)
    texts = {name: launch(name, request).commands[0][1] for name in NAMES}
    assert all("--enable-expert-parallel" in words for words in server_lines(texts["vllm"]))
    assert options_of(server_lines(texts["sglang"])[0])["--ep-num-redundant-experts"] == "32"
    assert yaml_of(texts["tensorrt-llm"])["moe_config.load_balancer.num_slots"] == "288"


def test_totals_of_a_replica_are_shared_out_as_each_engine_counts_them():
    request = Launch("m", Layout(data=8, expert=8), max_sequences=1000, max_tokens=8192, architecture=DEEPSEEK)
    vllm = options_of(server_lines(launch("vllm", request).commands[0][1])[0])
    sglang = options_of(server_lines(launch("sglang", request).commands[0][1])[0])
    trtllm = yaml_of(launch("tensorrt-llm", request).commands[0][1])
    assert (vllm["--max-num-seqs"], vllm["--max-num-batched-tokens"]) == ("125", "1024")
    assert (sglang["--max-running-requests"], sglang["--chunked-prefill-size"]) == ("1000", "8192")
    assert (trtllm["max_batch_size"], trtllm["max_num_tokens"]) == ("125", "1024")


def test_vllm_gets_a_pass_that_holds_a_token_of_every_sequence():
    text = launch("vllm", Launch("m", Layout(), max_sequences=1000, max_tokens=512)).commands[0][1]
    assert options_of(server_lines(text)[0])["--max-num-batched-tokens"] == "1000"


WHY_NOT = [
    ("vllm", DEEPSEEK, Layout(data=16, expert=4), None, "on or off"),
    ("vllm", LLAMA, Layout(tensor=3), None, "64 heads are not divisible by 3"),
    ("vllm", LLAMA, Layout(tensor=4, context=2), None, "copies of each KV head"),
    ("vllm", LLAMA, Layout(tensor=8, context=16), None, "64 heads are not divisible by 128"),
    ("vllm", DEEPSEEK, Layout(tensor=8, data=3), 16, "do not fill nodes of 16"),
    ("vllm", DEEPSEEK, Layout(tensor=16, data=2, expert=32), 8, "data-parallel ranks of 16 chips"),
    ("vllm", LLAMA, Layout(tensor=1, pipeline=64), None, "60 layers"),
    ("vllm", MIXTRAL, Layout(data=16, expert=16), None, "8 routed experts"),
    ("vllm", DEEPSEEK, Layout(data=72), None, "expert width 2048 is not divisible by 72"),
    ("vllm", LLAMA, Layout(replicas=1000), None, "1000 chips are needed"),
    ("sglang", LLAMA, Layout(data=4), None, "run 4 replicas"),
    ("sglang", DEEPSEEK, Layout(data=16, expert=3), None, "do not divide a stage"),
    ("sglang", DEEPSEEK, Layout(tensor=4, pipeline=6), 6, "cannot be dealt to 4 nodes"),
    ("tensorrt-llm", DEEPSEEK, Layout(tensor=2, data=4), None, "no size"),
    ("tensorrt-llm", DEEPSEEK, Layout(context=4), None, "HELIX"),
]


@pytest.mark.parametrize(("name", "served", "layout", "node", "reason"), WHY_NOT)
def test_a_layout_an_engine_cannot_run_is_an_answer_with_its_reason(name, served, layout, node, reason):
    assert any(reason in r for r in why_not(name, served, layout, machine(), node))
    command = launch(name, Launch("m", layout, architecture=served, node=node, machine=machine()))
    assert any(reason in r for r in command.reasons)
    assert reason in command.commands[0][1]


@pytest.mark.parametrize("name", NAMES)
def test_plain_layouts_run_on_every_engine(name):
    for served, layout in ((LLAMA, Layout(tensor=8)), (LLAMA, Layout(tensor=16, pipeline=2)),
                           (DEEPSEEK, Layout(data=8, expert=8)), (DEEPSEEK, Layout(tensor=8)), (MIXTRAL, Layout())):
        assert why_not(name, served, layout, machine(), 8) == ()


def test_latent_caches_are_cut_by_token_without_copies_of_heads():
    assert why_not("vllm", DEEPSEEK, Layout(context=8), machine()) == ()
    assert why_not("vllm", LLAMA, Layout(tensor=8, context=2), machine()) == ()


def test_tensorrt_llm_is_for_one_vendors_chips():
    assert why_not("tensorrt-llm", LLAMA, Layout(), machine(vendor="AMD"))
    assert why_not("vllm", LLAMA, Layout(), machine(vendor="AMD")) == ()
    assert why_not("vllm", LLAMA, Layout(), machine(vendor="Google"))


def test_apart_gives_prefill_and_decode_commands_and_names_the_router():
    prefill = Launch("m", Layout(tensor=8), role="prefill", architecture=LLAMA)
    decode = Launch("m", Layout(tensor=4), role="decode", architecture=LLAMA)
    for name in NAMES:
        command = launch_apart(name, prefill, decode)
        assert [role for role, _ in command.commands] == ["prefill", "decode"]
        assert any("front" in note for note in command.notes)
    words = server_lines(launch("vllm", decode).commands[0][1])[0]
    assert json.loads(options_of(words)["--kv-transfer-config"])["kv_role"] == "kv_consumer"


def test_a_cache_format_an_engine_lacks_is_a_reason():
    assert "int8" in launch("tensorrt-llm", Launch("m", Layout(), kv_format="int8")).reasons[0]


def test_layouts_out_of_a_grid_print_like_plain_numbers():
    grid = Layout(*(np.int64(n) for n in (1, 8, 1, 1, 8, 1)))
    for name in NAMES:
        plain = launch(name, Launch("m", Layout(1, 8, 1, 1, 8, 1), architecture=DEEPSEEK))
        assert launch(name, Launch("m", grid, architecture=DEEPSEEK)) == plain


@pytest.mark.parametrize("fields", [{"model": ""}, {"model": "--help"}, {"model": "a\nb"}, {"max_sequences": 0},
                                    {"memory_fraction": 1.5}, {"node": 0}, {"speculative": -1}, {"role": "both"}])
def test_impossible_requests_are_refused(fields):
    with pytest.raises(BadInput):
        launch("vllm", Launch(**({"model": "m", "layout": Layout()} | fields)))


def test_an_unknown_engine_is_refused_with_a_hint():
    with pytest.raises(BadInput, match="vllm"):
        launch("vlm", Launch("m", Layout()))


@pytest.mark.parametrize("name", NAMES)
def test_one_chip_is_no_layout_to_refuse_whatever_the_model(name):
    for served in model_names()[::7]:
        assert why_not(name, bundled_model(served), Layout()) == ()
