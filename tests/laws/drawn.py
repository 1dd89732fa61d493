"""Models, machines, layouts and passes drawn at random, for the laws."""

from hypothesis import strategies as st

from rackline.facts.fact import Fact
from rackline.facts.machine import Chip, Machine, Network
from rackline.facts.model import Attention, FeedForward, Layers, Matrix, Model
from rackline.systems.layout import Layout
from rackline.systems.passes import chunk, decode, prefill, verify

HEADS = 16  # of every drawn attention: so every power of two up to 16 divides them


def fact(value, unit):
    """A Fact of a test."""
    return Fact(value=value, unit=unit, source="drawn by a test", date="2026-11-21", kind="derived")


def attention(kind, hidden, kv_heads):
    """One attention of each kind, of equal sizes."""
    wide = HEADS * 64
    matrices = (Matrix("q", hidden, wide, "attention", "heads"), Matrix("o", wide, hidden, "attention", "heads"))
    if kind == "latent":
        down = Matrix("kv_a", hidden, 96, "attention", "none")
        return Attention("latent", (*matrices, down), heads=HEADS, kv_heads=1, cache_width=96, score_width=160,
                         expanded_width=128, expansion=wide * 32)
    if kind == "linear":
        return Attention("linear", matrices, heads=HEADS, state=4096, state_work=4096)
    keys = (Matrix(n, hidden, kv_heads * 64, "attention", "kv_heads") for n in "kv")
    return Attention(kind, (*matrices, *keys), heads=HEADS, kv_heads=kv_heads, cache_width=128, score_width=128,
                     window=1024 if kind == "window" else None)


def feed_forward(hidden, experts, top_k):
    """A dense feed-forward, or a routed one with a router and a shared expert."""
    sizes = (("gate", hidden, 256), ("up", hidden, 256), ("down", 256, hidden))
    if not experts:
        return FeedForward(tuple(Matrix(*size, "dense") for size in sizes))
    router = Matrix("router", hidden, experts, "small", "none")
    shared = (router, *(Matrix(f"s{name}", i, o, "shared") for name, i, o in sizes))
    return FeedForward(shared, experts=experts, top_k=top_k,
                       expert_matrices=tuple(Matrix(*size, "experts") for size in sizes))


def build(hidden, groups, formats=None, kv_format="bf16"):
    """A model of (count, attention, feed-forward) groups."""
    roles = ("attention", "dense", "experts", "shared", "embedding", "head", "small")
    return Model("drawn", "drawn", hidden, 1024, tuple(Layers(*group) for group in groups), 1024 * hidden,
                 Matrix("head", hidden, 1024, "head", "vocab"), kv_format=kv_format,
                 formats=dict.fromkeys(roles, "bf16") | (formats or {}))


@st.composite
def models(draw, experts=(0, 16, 64)):
    """Models of one or two makes of layers."""
    hidden = draw(st.sampled_from([256, 512]))

    def group():
        kind = draw(st.sampled_from(["full", "window", "latent", "linear"]))
        return (draw(st.integers(1, 4)) * 4, attention(kind, hidden, draw(st.sampled_from([1, 4, 16]))),
                feed_forward(hidden, draw(st.sampled_from(experts)), draw(st.integers(1, 4))))

    weights, cache = (draw(st.sampled_from(["bf16", "fp8"])) for _ in range(2))
    return build(hidden, [group() for _ in range(draw(st.integers(1, 2)))],
                 dict.fromkeys(("attention", "dense", "experts", "shared"), weights), cache)


@st.composite
def machines(draw):
    """Machines of 64 chips in domains of 8 or 64."""
    number = lambda low, high: draw(st.floats(low, high))  # noqa: E731
    chip = Chip(name="drawn", title="Drawn", memory_capacity=fact(number(1e10, 1e12), "bytes"),
                flops={"bf16": fact(number(1e13, 1e16), "flop/s"), "fp8": fact(number(1e13, 1e16), "flop/s")},
                memory_bandwidth=fact(number(1e11, 1e13), "bytes/s"))
    networks = [Network(bandwidth=fact(number(1e9, 1e12), "bytes/s"), latency=fact(number(0, 1e-5), "seconds"),
                        reduces=draw(st.booleans())) for _ in range(2)]
    return Machine(name="drawn", title="Drawn", chip=chip, chips=64, domain=draw(st.sampled_from([8, 64])),
                   scale_up=networks[0], scale_out=networks[1], price=fact(2.0, "dollars/hour"))


@st.composite
def layouts(draw, model):
    """Layouts of at most 64 chips that this model's sizes allow."""
    size = lambda most: 2 ** draw(st.integers(0, most))  # noqa: E731
    tensor, data, pipeline, context = size(2), size(2), size(1), size(1)
    if not any(a.cached for a, _ in model.attentions()):
        context = 1
    stage = tensor * data * context
    routed = any(f.experts for f, _ in model.feed_forwards())
    return Layout(tensor, data, context, pipeline, draw(st.sampled_from([1, stage])) if routed and stage <= 16 else 1)


@st.composite
def passes(draw):
    """Decode, prefill, chunk or verify passes of up to 512 sequences and 32k tokens of context."""
    batch, length = float(draw(st.integers(1, 512))), float(draw(st.integers(1, 32768)))
    made = draw(st.sampled_from([decode, prefill, chunk, verify]))
    if made is verify:
        return verify(batch, length, float(draw(st.integers(0, 8))))
    return chunk(float(draw(st.integers(1, 4096))), length, batch) if made is chunk else made(batch, length)
