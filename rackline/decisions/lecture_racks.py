"""Boards of racks: experts on chips, networks, what fits, capacity per chip, hops, a domain's bandwidth."""

from __future__ import annotations

from collections.abc import Iterator

from rackline.decisions.lecture_bench import Bench, routed
from rackline.decisions.lecture_claim import ABOUT, ORDER, Claim, Said, cases, measured_on, ratio_of, said
from rackline.decisions.lecture_ledger import exchange_time, network_share, step_of
from rackline.facts.machine import Machine
from rackline.physics import blackboard, capacity, collectives, experts
from rackline.systems.layout import Layout
from rackline.systems.memory import memory

V3, RACK, H100 = "deepseek-v3", "gb200-nvl72", "dgx-h100"
INFINITE = float("inf")
STEP = "rackline step deepseek-v3 --on gb200-nvl72"
PLAN = "rackline plan deepseek-v3 --on gb200-nvl72 --context 8192"


def mixture(bench: Bench) -> Iterator[Claim]:
    """Experts on the chips of a rack."""
    moe = routed(bench.model(V3))
    rack = bench.machine(RACK)
    yield Claim("C2", "share of the experts that see a token", said("1 in 32", 1 / 32, "it's going to route to, and "
                "it will be a small fraction of them, maybe 1 in 32"),
                ratio_of("k/experts", {"DeepSeek-V3": (moe.top_k, moe.experts)}), "ratio",
                "8 of 256 routed experts: exactly this, and not the 32 of 256 said before.", "rackline facts "
                "deepseek-v3")
    yield Claim("C2", "experts on the fullest chip", said("4", 4.0, "We'll just simplify and say we're only going to "
                "use 64 of them … So we have four experts per GPU"),
                cases(experts.experts_on_busiest_chip, {
                    "on 64 of the rack's chips": {"experts": moe.experts, "chips": 64.0},
                    f"on all {rack.domain}": {"experts": moe.experts, "chips": rack.domain}}), "count",
                "Leaving chips out loses no speed in the experts: with all of them the fullest chip has as many.",
                STEP + " --batch 2048 --layout dp64,ep64 --context 4096")
    numbers = {"copies": moe.top_k, "width": moe.expert_matrices[0].inputs}
    back = experts.dispatch_bytes(**numbers, wire=2.0)
    yield Claim("C2", "bytes back over bytes out of the experts", said("1×", 1.0, "There's the same communication "
                "cost paid on the output"),
                ratio_of("copies*width*wire_back/(copies*width*wire_out)", {
                    "out in fp8, back in bf16 (DeepSeek-V3)": (back, experts.dispatch_bytes(**numbers, wire=1.0)),
                    "both in bf16": (back, experts.dispatch_bytes(**numbers, wire=2.0))}), "count",
                "Results come back in the wider format.", STEP + " --batch 2048 --context 4096")
    yield _network(bench)


def _network(bench: Bench) -> Claim:
    model = bench.model(V3)
    found = {title: network_share(model, machine, Layout(data=64, expert=64))
             for title, machine in (("GB200 NVL72, one domain", bench.machine(RACK)),
                                    ("8 boxes of 8 H100", bench.machine(H100).with_chips(64)))}
    return Claim("C2", "network time over compute or memory time", Said("below 1", "The hope is that this does not "
                 "become communication limited", 0.0, 1.0, 1.0),
                 ratio_of("network / Max(compute, memory), on the ledger", found), "ratio",
                 "DeepSeek-V3, decode of 2,048 sequences at 4,096 tokens on 64 chips.",
                 "rackline step deepseek-v3 --on dgx-h100 --chips 64 --batch 2048 --context 4096")


def racks(bench: Bench) -> Iterator[Claim]:
    """Scale-up and scale-out."""
    sold = {"H100": bench.networks(H100), "GB200, 800 Gbit/s card": bench.networks(RACK),
            "GB200, 400 Gbit/s card": bench.networks(RACK, slow=True), "B200 box": bench.networks("dgx-b200")}
    yield Claim("C3", "scale-up over scale-out bandwidth", said("8×", 8.0, "the scale-out, and it tends to be about "
                "8x slower in bandwidth", ABOUT), ratio_of("W_up/W_out, byte/s a chip one way", sold), "count",
                "It depends on the network card.", "rackline facts gb200-nvl72")
    yield Claim("C3", "share of an all-to-all that leaves one of two racks", said("half", 0.5, "half the tokens are "
                "going to want to leave the rack"),
                cases(collectives.outside_fraction, {"two racks": {"racks": 2.0}}), "ratio",
                "Evenly spread routing.", "rackline facts gb200-nvl72")
    yield _two_racks(bench)
    yield from _domains(bench)
    yield Claim("C4", "chips of a rack", said("64", 64.0, "it stores some number of GPUs or XPUs, which is typically "
                "about 64", ABOUT), measured_on("domain of the machine's facts", {
                    "GB200 NVL72": float(bench.machine(RACK).domain),
                    "Trainium 2 Ultra": float(bench.machine("trn2-ultra").domain)}), "count",
                "Power, weight and cooling bound it; each is in the machine's facts.", "rackline facts gb200-nvl72")
    yield _cables(bench)


def _two_racks(bench: Bench) -> Claim:
    ratio, rack = bench.ratio(RACK), bench.machine(RACK)
    moe, two = routed(bench.model(V3)), rack.with_chips(2 * rack.domain)
    one_copy = exchange_time(moe, two, 2 * rack.domain) / exchange_time(moe, rack, rack.domain)
    formula = collectives.rack_slowdown
    return Claim("C3", "all-to-all over two racks, over one", said("4×", float(formula(2.0, 8.0)), "half the tokens "
                 "are going to want to leave the rack … They need to use a much slower network, and so that becomes "
                 "the bottleneck", ABOUT),
                 measured_on("Max(1/racks, ratio*(1 - 1/racks))", {
                     "GB200 NVL72": float(formula(2.0, ratio)),
                     "with the slower card": float(formula(2.0, bench.ratio(RACK, slow=True))),
                     "one copy a rack for all its experts": one_copy}), "count",
                 "½ × 8. Sending one copy to a rack, and spreading it there, hides most of it while several of a "
                 "token's experts share a rack.",
                 "rackline plan deepseek-v3 --on gb200-nvl72 --chips 144 --context 8192")


def _domains(bench: Bench) -> Iterator[Claim]:
    sizes = {name: bench.machine(name).domain for name in (H100, RACK, "rubin-ultra-nvl576")}
    yield Claim("C3", "domain of Rubin", Said("500-odd", "and now Rubin will be... is it 500 something?", 500.0, 600.0),
                measured_on("packages joined by scale-up", {
                    "Rubin Ultra NVL576": float(sizes["rubin-ultra-nvl576"]),
                    "Rubin NVL144": float(bench.machine("vera-rubin-nvl144").domain)}), "count",
                f"The names count dies of announced products: {bench.machine('rubin-ultra-nvl576').title}.",
                "rackline facts rubin-ultra-nvl576")
    yield Claim("C4", "growth of the domain beyond Blackwell", said("4×", 4.0, "there is at least a genuine 4x "
                "increase, which is coming from a much more complicated and difficult rack design"),
                ratio_of("domain / domain of a GB200 NVL72", {
                    "Rubin Ultra, in packages": (sizes["rubin-ultra-nvl576"], sizes[RACK])}), "count",
                "In packages it doubles; counted in dies (576 over 144) it is four. Announced only.",
                "rackline facts rubin-ultra-nvl576")
    yield Claim("C3", "domain of Hopper", said("8", 8.0, "from Hopper, which was 8, then Blackwell is 72"),
                measured_on("chips joined by scale-up", {"H100 box": float(sizes[H100])}), "count",
                "One box is one domain.", "rackline facts dgx-h100")


def _cables(bench: Bench) -> Claim:
    rack = bench.machine(RACK)
    assert rack.scale_up
    assert rack.scale_up.cables
    a_chip = rack.scale_up.cables.value / rack.domain
    count = [float(capacity.cables(n * rack.domain, a_chip, 1.0)) for n in (1, 2)]
    return Claim("C4", "cables, twice the chips in a rack", said("2×", 2.0, "if I want to double the number of GPUs "
                 "in a rack, I need to run literally twice the density of cables"),
                 ratio_of("chips*links*wires, doubled", {"GB200 NVL72": (count[1], count[0])}), "count",
                 f"From {count[0]:,.0f} in an NVL72 ({a_chip:.0f} a chip) to {count[1]:,.0f}.", "rackline facts "
                 "gb200-nvl72")


def sizes(bench: Bench) -> Iterator[Claim]:
    """What fits."""
    box, rack = (_memory(bench.machine(name)) for name in (H100, RACK))
    yield Claim("C5", "memory of eight Hoppers", said("640 GB", 640e9, "you had eight Hoppers, and I think that's "
                "640 gigabytes",
                ), cases(capacity.domain_capacity, {"8 × H100": _parts(bench.machine(H100))}), "bytes",
                "Decimal gigabytes, as data sheets have them.",
                "rackline facts dgx-h100")
    yield Claim("C5", "memory of a Blackwell rack", Said("10–20 TB", "a scale-up on the order of 10-20 terabytes",
                10e12, 20e12),
                cases(capacity.domain_capacity, {"GB200 NVL72": _parts(bench.machine(RACK)),
                                                 "GB300 NVL72": _parts(bench.machine("gb300-nvl72"))}), "bytes",
                "Elsewhere the talk says \"many tens of terabytes\": that is more than either.", "rackline facts "
                "gb200-nvl72")
    talk = {"w": 1.0, "B": 2000.0, "L": 1e5}
    kv = {"the talk's 1,667 B a token": 1667.0, "DeepSeek-V3's 70 kB": bench.model(V3).kv_bytes_per_token("bf16")}
    yield Claim("C5", "largest model with KV for 2,000 sequences of 100k", Said("5 T", "enough for a 5T model plus "
                "KV cache",
                5e12, INFINITE), cases(capacity.largest_model, {title: talk | {"C": rack, "kv": size}
                                                                for title, size in kv.items()}), "parameters",
                "At one byte a weight on a GB200 NVL72. With an open model's KV the cache alone is larger than the "
                "rack.",
                STEP + " --batch 2000 --context 100k")
    bare = {"C": box, "B": 0.0, "L": 0.0, "kv": 0.0}
    yield Claim("C5", "largest model on eight Hoppers", Said("below 1 T", "Is the reason that we were just waiting "
                "for racks with enough memory to hold a five-trillion parameter model", 0.0, 1e12, 1.0),
                cases(capacity.largest_model, {"one byte a weight, no KV": bare | {"w": 1.0},
                                               "half a byte": bare | {"w": 0.5}}),
                "parameters", "A trillion parameters need two boxes, or four bits a weight.",
                "rackline plan kimi-k2 --on dgx-h100 --context 8192")
    kimi = bench.model("kimi-k2")
    yield Claim("C5", "bytes of a trillion parameters", said("1 TB", 1e12, "A trillion parameter model only needs "
                "one terabyte"), measured_on("sum over roles of numbers × bytes", {
                    "Kimi-K2 as published, fp8": kimi.weight_bytes(),
                    "in bf16": kimi.with_formats(weights="bf16").weight_bytes()}), "bytes",
                "At one byte a weight.", "rackline facts kimi-k2")


def _parts(machine: Machine) -> dict[str, float]:
    return {"chips": machine.domain, "chip_capacity": machine.chip.memory_capacity.value}


def _memory(machine: Machine) -> float:
    return float(capacity.domain_capacity(**_parts(machine)))


def chips(bench: Bench) -> Iterator[Claim]:
    """Memory per chip."""
    model, rack = bench.model(V3), bench.machine(RACK)
    four = rack.with_chips(4 * rack.domain)
    whole = Layout(data=rack.domain, expert=rack.domain)
    held = {p: memory(model, four, Layout(data=rack.domain, expert=rack.domain, pipeline=p), 1440.0 * p, 8192.0)
            for p in (1, 2, 4)}
    yield Claim("D4", "KV per chip, four stages over one", said("constant", 1.0, "the memory footprint for the "
                "number of activations stays constant"),
                ratio_of("b*L*kv/E at P = 4 over P = 1, on the memory map", {
                    "DeepSeek-V3 on GB200 NVL72 racks": (float(held[4].cache), float(held[1].cache))}), "ratio",
                "P stages keep P micro-batches in flight, so P cancels; what is above 1 is uneven layers. "
                "(\"Activations\" means KV here.)", "rackline plan deepseek-v3 --on gb200-nvl72 --chips 288 "
                "--context 8192")
    yield Claim("D4", "weights per chip, four stages over one", said("1/4", 0.25, "the memory footprint for the "
                "number of weights keeps going down and down"),
                ratio_of("weights/(E*P) at P = 4 over P = 1", {
                    "all divided evenly": tuple(capacity.weights_per_chip(model.weight_bytes(), rack.domain, p)
                                                for p in (4.0, 1.0)),
                    "DeepSeek-V3 on its memory map": (float(held[4].weights), float(held[1].weights))}), "ratio",
                f"Embedding and head stay whole on one stage, and {model.depth} layers do not divide by four.",
                "rackline plan deepseek-v3 --on gb200-nvl72 --chips 288 --context 8192")
    yield _micro(bench)
    usable = float(held[2].usable)
    yield Claim("D4", "weights' share of memory", Said("very small", "it's really not much, even two is often "
                "enough—this term becomes very small", 0.0, 0.1, 1.0),
                ratio_of("weights a chip / usable bytes a chip", {
                    "two stages": (float(held[2].weights), usable),
                    "one stage": (float(held[1].weights), usable)}), "ratio",
                "Taken as at most a tenth, experts dealt over a rack and attention copied on each.",
                STEP + " --context 8192 --layout dp72,ep72")
    yield _shards(bench, whole)


def _micro(bench: Bench) -> Claim:
    s = bench.on(V3, RACK)
    known = s.of("F", "W", "w", "N_total", "N_active")
    return Claim("D4", "sequences in a micro-batch, four stages", said("4", 4.0, "The micro-batch size here ends up "
                 "being equal to the number of pipeline stages"),
                 cases(blackboard.balance_batch, {"DeepSeek-V3 on GB200 NVL72": known}),
                 "count", "It is the number of micro-batches that equals the stages; the size of each is the balance "
                 "batch.",
                 "rackline step deepseek-v3 --on gb200-nvl72 --chips 288 --layout dp72,ep72,pp4 --context 1024")


def _shards(bench: Bench, whole: Layout) -> Claim:
    model = bench.model(V3)
    batch, length, kv, g = 64.0 * whole.data, 8192.0, model.kv_bytes_per_token(), float(whole.data)
    even = batch * length * kv / g
    by_heads = {"by heads, latent attention": 1.0, "by heads, 8 KV heads": 8.0}
    found = {"by sequences": float(capacity.kv_per_chip_by_sequences(batch, length, kv, g)) / even,
             "by context": float(capacity.kv_per_chip_by_context(batch, length, kv, g)) / even}
    found |= {title: float(capacity.head_duplication(heads, g)) for title, heads in by_heads.items()}
    return Claim("C9", "KV on the fullest chip over an even share", said("1×", 1.0, "Somehow we're going to arrange "
                 "… the same perfect sharding of the contexts across GPUs in a rack"),
                 measured_on("g*KV per chip/(B*L*kv)", found), "count",
                 f"Over {whole.data} chips. Whole sequences or parts of contexts shard perfectly; heads do not once "
                 "there are fewer of them than chips.", PLAN)


def hops(bench: Bench) -> Iterator[Claim]:
    """Hops between racks."""
    net = bench.machine(H100).scale_out
    assert net is not None
    payload = 2000.0 * bench.model(V3).hidden * 2.0
    wire = {"n": payload, "links": 64.0, "bandwidth": net.bandwidth.value}
    slow = net.latency.high if net.latency.high is not None else net.latency.value
    yield Claim("D5", "latency of a hop from rack to rack", Said("a few ms", "it's probably on the order of a few "
                "milliseconds, but it could be off by an order of magnitude there", 1e-3, 5e-3, 10.0),
                cases(collectives.hop_time, {"wire and latency": wire | {"latency": net.latency.value},
                                             "wire alone": wire | {"latency": 0.0},
                                             "slowest latency known": wire | {"latency": slow}}), "seconds",
                f"2,000 tokens of {bench.model(V3).hidden:,} numbers in bf16 over 64 cards of an H100 box. More than "
                "the order of magnitude that the talk allows itself.", "rackline facts dgx-h100")
    ours = float(collectives.hop_time(**wire, latency=net.latency.value))
    yield Claim("D5", "time per token with four stages", said("30 ms", 0.03, "If it goes from 20 to 30, or something "
                                                              "like that"),
                cases(collectives.decode_with_hops, {
                    "hops of an H100 network": {"t": 0.02, "stages": 4.0, "hop": ours},
                    "the talk's hops, 2.5 ms": {"t": 0.02, "stages": 4.0, "hop": 0.0025}}),
                "seconds", "Hops are in series, as said; they are short.",
                "rackline plan deepseek-v3 --on dgx-h100 --chips 32 --context 8192")


def domain(bench: Bench) -> Iterator[Claim]:
    """Bandwidth of a domain."""
    box, rack = bench.machine(H100), bench.machine(RACK)
    new, old = rack.chip.memory_bandwidth.value, box.chip.memory_bandwidth.value
    sizes = {"E": rack.domain, "E_before": box.domain}
    same = {"chip_bandwidth": old, "chip_bandwidth_before": old}
    yield Claim("C6", "growth of a domain's chips since Hopper", said("8×", 8.0, "this one increased by a factor of "
                "8 from Hopper", ABOUT), cases(capacity.domain_speedup, {
                    "72 chips for 8": sizes | same, "64 of 72": sizes | same | {"E": 64.0}}), "count",
                "Eight is the 64 chips used above.", "rackline facts gb200-nvl72")
    yield Claim("C6", "growth of a chip's bandwidth a generation", Said("1.5–2×", "It maybe increases 1.5 or 2x per "
                "generation",
                1.5, 2.0), ratio_of("W/W_before", {
                    "H100 to B200": (bench.chip("b200").memory_bandwidth.value, old),
                    "A100 to H100": (old, bench.chip("a100").memory_bandwidth.value),
                    "B200 to Rubin": (bench.chip("rubin").memory_bandwidth.value,
                                      bench.chip("b200").memory_bandwidth.value)}), "count",
                "More than that in the last two.", "rackline facts b200")
    both = sizes | {"chip_bandwidth": new, "chip_bandwidth_before": old}
    floors = {title: blackboard.latency_floor(s.w, s.N_total, s.W)
              for title, s in ((name, bench.on(V3, name)) for name in (H100, RACK))}
    yield Claim("C6", "speed of reading all weights, rack over box", said("8×", 8.0, "scale-up size helps solve the "
                "bandwidth problem",
                ABOUT), cases(capacity.domain_speedup, {"GB200 NVL72 over 8 × H100": both}), "count",
                f"{rack.domain / box.domain:.0f} times the chips, each {new / old:.1f} times as fast: DeepSeek-V3's "
                f"floor falls from {1e3 * floors[H100]:.1f} to {1e3 * floors[RACK]:.2g} ms.",
                "rackline step deepseek-v3 --on dgx-h100 --chips 16 --batch 1 --context 1024")
    model = bench.model("llama-3.3-70b")
    before, now = (float(step_of(model, machine, 1.0, 8192.0).lower) for machine in (box, rack))
    found = {"Llama-3.3-70B, one sequence": (before, now)}
    yield Claim("C6", "speed of a whole step, rack over box", said("8×", 8.0, "It lets you just run the model at "
                "lower latency as a first thing",
                ORDER), ratio_of("ledger's step on a box / on a rack", found), "count",
                "All-reduces over more chips take part of it back.",
                "rackline step llama-3.3-70b --on gb200-nvl72 --batch 1 --context 8192")
