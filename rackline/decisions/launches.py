"""Launch commands for an option of a plan, engine by engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rackline.decisions.engines import Launch, LaunchCommand, Role, launch, launch_apart
from rackline.decisions.search import Option
from rackline.facts.model import Model
from rackline.systems.layout import Layout
from rackline.systems.serving import Server, Workload

TRIED = 300  # options of a ranking that are offered to an engine before it counts as unable
ENGINES = ("vllm", "sglang", "tensorrt-llm")


def launch_texts(engine: str, server: Server, work: Workload, ranked: Sequence[Option],
                 weights: str | None = None) -> Iterator[tuple[str, str]]:
    """(title, text) for each asked engine: the commands of the best option that it can run, or why it runs none.

    `weights` is a format to convert the checkpoint to at start, where it was asked for.
    """
    for name in ENGINES if engine == "all" else (engine,):
        tried = ((rank, _command(name, server, work, option, weights)) for rank, option in enumerate(ranked[:TRIED]))
        first = next(tried)
        rank, command = next((one for one in (first, *tried) if not one[1].reasons), first)
        text = "\n\n".join(text for _, text in command.commands)
        if rank:
            text += f"\n# {name} cannot run the best option ({first[1].reasons[0]}); this is number {rank + 1}."
        yield f"{name} {command.version}", text + "".join(f"\n# {note}" for note in command.notes)


def _command(name: str, server: Server, work: Workload, option: Option, weights: str | None) -> LaunchCommand:
    def request(layout: Layout, role: Role) -> Launch:
        return replace(_request(server, work, option, layout, role), weights=weights)

    if option.prefill is None:
        return launch(name, request(option.layout, "together"))
    return launch_apart(name, request(option.prefill, "prefill"), request(option.layout, "decode"))


# schemas and excerpts that name no repository of weights
_NOT_HUBS = ("litgpt/", "tfdefault/", "native/", "excerpt/", "simai/")


def checkpoint(model: Model) -> str:
    """The hub name of the weights where the configuration's source tells it, else the model's name."""
    found = re.match(r"(?:hub: )?([\w.-]+/[\w.-]+)(?=:|$)", model.source)
    return found[1] if found and not found[1].startswith(_NOT_HUBS) else model.name


def _pass_tokens(work: Workload, option: Option, layout: Layout, role: Role) -> float:
    """New tokens of the largest pass of a replica: a token a sequence, and the prompts' on every data rank."""
    decoding = option.batch / layout.pipeline if role != "prefill" else 0.0
    prompts = {"together": option.chunk, "prefill": option.prompts * work.input}.get(role, 0.0)
    return decoding + prompts * layout.data


def _request(server: Server, work: Workload, option: Option, layout: Layout, role: Role) -> Launch:
    machine = server.machine
    host = machine.node or machine.domain
    node = host if layout.replica > host else None
    tokens = _pass_tokens(work, option, layout, role)
    return Launch(model=checkpoint(server.model), layout=layout,
                  max_sequences=max(1, int(option.batch if role != "prefill" else option.prompts * layout.data)),
                  max_tokens=max(1, int(tokens)), max_length=int(work.longest) + 1, kv_format=server.model.kv_format,
                  role=role, node=node, architecture=server.model, machine=machine)
