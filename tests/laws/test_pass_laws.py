"""Laws of one forward pass: the lecture's equations as its limit, monotone, bounded, additive, conserved."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackline.decisions.joint import utilisation
from rackline.decisions.stepping import Case
from rackline.facts.machine import Chip, Machine
from rackline.facts.model import Attention, FeedForward, Layers, Matrix, Model
from rackline.facts.models import model as bundled
from rackline.physics import attention as pairs
from rackline.physics import blackboard
from rackline.systems.clock import pass_time
from rackline.systems.layout import Layout
from rackline.systems.ledger import ledger
from rackline.systems.memory import memory, weight_bytes
from rackline.systems.passes import chunk, decode, prefill, verify
from rackline.systems.serving import Server
from rackline.systems.work import total
from tests.laws.drawn import attention, build, fact, feed_forward, layouts, machines, models, passes

QUICK = settings(max_examples=60, deadline=None)
HIDDEN, LAYERS, HEADS, WIDTH = 512, 8, 8, 128  # of the lecture's model
BATCHES = st.integers(1, 100_000).map(float)
CONTEXTS = st.integers(0, 1_000_000).map(float)


def lecture_model(score_width):
    """Dense, full attention, every parameter multiplied: what the lecture's two equations describe."""
    mixing = Attention("full", (Matrix("qkvo", HIDDEN, 4 * HIDDEN, "attention", "heads"),), heads=HEADS, kv_heads=HEADS,
                       cache_width=WIDTH, score_width=score_width)
    dense = FeedForward((Matrix("up", HIDDEN, 2048, "dense"), Matrix("down", 2048, HIDDEN, "dense")))
    return Model("lecture", "lecture", HIDDEN, 1000, (Layers(LAYERS, mixing, dense),), 1000 * HIDDEN,
                 Matrix("head", HIDDEN, 1000, "head", "vocab"), tied=True)


def one_chip(flops=1e15, bandwidth=3e12):
    return Machine(name="one", title="One chip", chips=1, domain=1, chip=Chip(
        name="one", title="One", flops={"bf16": fact(flops, "flop/s")}, memory_capacity=fact(8e10, "bytes"),
        memory_bandwidth=fact(bandwidth, "bytes/s")))


# ---- the lecture's two equations are the ledger's limit


@QUICK
@given(BATCHES, CONTEXTS)
def test_without_attention_arithmetic_the_ledger_is_the_lectures_two_equations(batch, context):
    model, machine = lecture_model(score_width=0), one_chip()
    timed = pass_time(model, machine, Layout(), decode(batch, context))
    row = HIDDEN * 2 / model.kv_bytes_per_token()  # the embedding's row, in cached tokens; the new token is written: 1
    assert timed.compute == pytest.approx(blackboard.compute_time(batch, model.active_parameters, 1e15), rel=1e-12)
    assert timed.memory == pytest.approx(
        blackboard.memory_time(batch, context + 1 + row, 2 * model.total_parameters, model.kv_bytes_per_token(), 3e12),
        rel=1e-12)
    assert timed.network == 0


@QUICK
@given(BATCHES, st.integers(1, 1_000_000).map(float))
def test_memory_tends_to_the_lectures_as_the_context_grows(batch, context):
    model, machine = lecture_model(score_width=WIDTH), one_chip()
    timed = pass_time(model, machine, Layout(), decode(batch, context))
    kv = model.kv_bytes_per_token()
    lecture = blackboard.memory_time(batch, context, 2 * model.total_parameters, kv, 3e12)
    assert 0 <= timed.memory / lecture - 1 <= (1 + HIDDEN * 2 / kv) / context + 1e-12


@QUICK
@given(BATCHES, CONTEXTS)
def test_compute_is_the_lectures_and_attentions_arithmetic(batch, context):
    model = lecture_model(score_width=WIDTH)
    timed = pass_time(model, one_chip(), Layout(), decode(batch, context))
    per_pair = pairs.pair_flops(LAYERS, HEADS, WIDTH / 2, WIDTH / 2)
    assert timed.compute == pytest.approx(
        pairs.compute_time_with_attention(batch, context + 1, model.active_parameters, per_pair, 1e15), rel=1e-12)


def test_llama_405b_is_within_two_per_cent_of_the_lectures_equations_at_a_thousand_tokens():
    model, batch, context = bundled("llama-3.1-405b"), 512.0, 1000.0
    timed = pass_time(model, one_chip(), Layout(), decode(batch, context))
    assert timed.compute == pytest.approx(blackboard.compute_time(batch, model.active_parameters, 1e15), rel=0.02)
    lecture = blackboard.memory_time(batch, context, 2 * model.total_parameters, model.kv_bytes_per_token(), 3e12)
    assert timed.memory == pytest.approx(lecture, rel=0.02)


def test_deepseek_v3_reads_every_weight_once_at_a_large_batch_and_the_experts_hit_at_batch_one():
    model = bundled("deepseek-v3")
    many, one = (float(total(ledger(model, Layout(), decode(b, 0.0))).bytes) for b in (4096.0, 1.0))
    embedding = model.embedding * 2  # a pass reads rows of it, not all
    assert many == pytest.approx(model.weight_bytes() - embedding, rel=0.01)
    assert one / many == pytest.approx(model.active_parameters / model.total_parameters, rel=0.05)


# ---- bounds and utilisation


@QUICK
@given(st.data())
def test_time_lies_between_all_overlap_and_none_and_nothing_is_used_more_than_wholly(data):
    model, machine = data.draw(models()), data.draw(machines())
    layout = data.draw(layouts(model))
    kind = data.draw(st.sampled_from(["decode", "prefill", "verify"]))
    case = Case(Server(model, machine), layout, kind, 3.0, machine.price)
    batch, context = data.draw(st.integers(1, 5000)), float(data.draw(st.integers(1, 100_000)))
    step = case.step(batch, context)
    assert 0 < step.lower <= step.time * (1 + 1e-12)
    assert step.time <= step.upper * (1 + 1e-12)
    assert all(0 <= share <= 1 + 1e-12 for share in utilisation(case, batch, context).values())


@QUICK
@given(st.data())
def test_a_larger_batch_or_a_longer_context_never_takes_less_time(data):
    model, machine = data.draw(models()), data.draw(machines())
    layout = data.draw(layouts(model))
    grid = np.unique(np.geomspace(1, 1e5, 40).round())
    other = float(data.draw(st.integers(1, 10_000)))
    for pass_ in (decode(grid, other), decode(other, grid), prefill(4.0, grid)):
        timed = pass_time(model, machine, layout, pass_)
        for seconds in (timed.time, timed.compute, timed.memory, timed.network):
            assert (np.diff(np.broadcast_to(seconds, grid.shape)) >= -1e-12 * np.max(seconds)).all()


@QUICK
@given(st.data(), st.sampled_from(["memory_bandwidth", "bf16", "scale_up"]), st.floats(1.0, 10.0))
def test_a_faster_chip_or_network_is_never_slower(data, what, factor):
    model, machine = data.draw(models()), data.draw(machines())
    layout, pass_ = data.draw(layouts(model)), data.draw(passes())
    chip = machine.chip
    faster = lambda known: known.model_copy(update={"value": known.value * factor})  # noqa: E731
    if what == "scale_up":
        network = machine.scale_up.model_copy(update={"bandwidth": faster(machine.scale_up.bandwidth)})
        changed = machine.model_copy(update={"scale_up": network})
    else:
        update = ({"memory_bandwidth": faster(chip.memory_bandwidth)} if what == "memory_bandwidth" else
                  {"flops": {name: faster(rate) for name, rate in chip.flops.items()}})
        changed = machine.model_copy(update={"chip": chip.model_copy(update=update)})
    before, after = (pass_time(model, m, layout, pass_) for m in (machine, changed))
    assert after.time <= before.time * (1 + 1e-12)
    assert after.lower <= before.lower * (1 + 1e-12)


# ---- one pass, many kinds


def same(one, other, without=()):
    """Whether two ledgers agree in every term but those named."""
    assert one.keys() == other.keys()
    for name in one.keys() - set(without):
        assert one[name].bytes == pytest.approx(other[name].bytes)
        assert one[name].total_flops == pytest.approx(other[name].total_flops)
        assert [m.payload for m in one[name].messages] == pytest.approx([m.payload for m in other[name].messages])


@QUICK
@given(st.data(), st.integers(1, 500), st.integers(0, 50_000))
def test_a_decode_is_a_verify_of_nothing_drafted_and_a_chunk_of_one_token_but_for_the_head(data, batch, context):
    model = data.draw(models())
    layout = data.draw(layouts(model))
    decoded = ledger(model, layout, decode(float(batch), float(context)))
    same(decoded, ledger(model, layout, verify(float(batch), float(context), 0.0)))
    same(decoded, ledger(model, layout, chunk(1.0, float(context), float(batch))), without=("head",))


@QUICK
@given(models(), passes(), passes())
def test_flops_of_a_mixed_pass_are_the_sum_and_its_bytes_read_the_weights_once(model, one, other):
    works = [total(ledger(model, Layout(), p)) for p in (one + other, one, other)]
    assert works[0].total_flops == pytest.approx(works[1].total_flops + works[2].total_flops, rel=1e-9)
    assert works[0].bytes <= (works[1].bytes + works[2].bytes) * (1 + 1e-12)
    assert works[0].bytes >= max(works[1].bytes, works[2].bytes) * (1 - 1e-12)


@QUICK
@given(models(), st.integers(1, 20_000), st.integers(1, 20_000))
def test_a_prompt_in_two_chunks_costs_its_flops_and_never_less(model, first, second):
    whole = total(ledger(model, Layout(), prefill(1.0, float(first + second))))
    halves = total(ledger(model, Layout(), chunk(float(first), 0.0) + chunk(float(second), float(first))))
    head = 2.0 * model.head.size  # chunks give no output yet
    latent = any(a.expanded_width for a, _ in model.attentions())  # chunks expand earlier tokens again
    assert halves.total_flops + head >= whole.total_flops * (1 - 1e-9)
    assert latent or halves.total_flops + head == pytest.approx(whole.total_flops, rel=1e-9)


@QUICK
@given(st.data())
def test_equal_inputs_give_equal_numbers_alone_or_on_a_grid(data):
    model, machine = data.draw(models()), data.draw(machines())
    layout = data.draw(layouts(model))
    grid = np.array([1.0, 3.0, 64.0, 1000.0])
    together = np.broadcast_to(pass_time(model, machine, layout, decode(grid, 4096.0)).time, grid.shape)
    apart = [float(pass_time(model, machine, layout, decode(b, 4096.0)).time) for b in grid]
    assert apart == [float(pass_time(model, machine, layout, decode(b, 4096.0)).time) for b in grid]
    assert list(together) == pytest.approx(apart, rel=1e-12)


# ---- memory and cuts


@QUICK
@given(models(experts=(0,)), st.integers(1, 200), st.integers(1, 100_000), st.sampled_from([2, 4]))
def test_kv_on_a_chip_is_constant_in_the_number_of_stages_and_weights_shrink(model, micro, context, stages):
    machine = one_chip()
    one, many = (memory(model, machine, Layout(pipeline=p), p * micro, float(context)) for p in (1, stages))
    ends = (model.embedding + model.head.parameters) * 2.0
    assert many.cache == pytest.approx(one.cache)
    assert many.state == pytest.approx(one.state)
    assert (many.weights - ends) * stages == pytest.approx(one.weights - ends)


@QUICK
@given(st.sampled_from(["full", "window"]), st.sampled_from([0, 16, 64]), st.sampled_from([2, 4, 8, 16]), st.booleans())
def test_cut_weights_add_up_to_the_whole(kind, experts, ways, dealt):
    model = build(256, [(4, attention(kind, 256, 16), feed_forward(256, experts, 2))])
    layout = Layout(tensor=ways, expert=ways if dealt and experts else 1)
    copied = sum(n * m.parameters * 2.0 for f, n in model.feed_forwards() for m in f.matrices if m.cut == "none")
    whole = float(weight_bytes(model, Layout()))
    assert ways * float(weight_bytes(model, layout)) == pytest.approx(whole + (ways - 1) * copied)
    read = [total(ledger(model, x, decode(1e6, 0.0))).bytes for x in (layout, Layout())]
    assert ways * read[0] >= read[1] * (1 - 1e-12)


@QUICK
@given(st.sampled_from([16, 64]), st.integers(1, 8), st.integers(1, 1_000_000))
def test_experts_read_grow_from_those_of_one_token_to_all_of_them(experts, top_k, batch):
    model = build(256, [(4, attention("full", 256, 4), feed_forward(256, experts, top_k))])

    def read(tokens):
        terms = ledger(model, Layout(), decode(float(tokens), 0.0))
        return sum(work.bytes for name, work in terms.items() if name.startswith("experts."))

    one = 4 * 3 * 256 * 256 * 2.0  # bytes of one expert of every layer
    assert read(1) == pytest.approx(top_k * one)
    assert read(1e9) == pytest.approx(experts * one)
    assert top_k * one * (1 - 1e-12) <= read(batch) <= min(experts, top_k * batch) * one * (1 + 1e-12)


def test_idle_data_ranks_never_make_a_pass_faster_than_the_full_ones():
    model = build(256, [(4, attention("full", 256, 4), feed_forward(256, 16, 2))])
    layout = Layout(data=8, expert=8)
    full = total(ledger(model, layout, decode(8.0, 1000.0)))
    alone = total(ledger(model, layout, decode(1.0, 1000.0)))
    assert alone.total_flops <= full.total_flops
    scores = [ledger(model, layout, decode(b, 1000.0))["attention.scores"].bytes for b in (1.0, 8.0, 9.0)]
    assert scores[0] == scores[1] == scores[2] / 2
