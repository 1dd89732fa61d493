"""Launch commands for an option of a plan, engine by engine."""

from __future__ import annotations

from collections.abc import Iterator

from rackline.decisions.engines import Launch, Role, launch, launch_apart
from rackline.decisions.search import Option
from rackline.systems.layout import Layout
from rackline.systems.serving import Server, Workload

ENGINES = ("vllm", "sglang", "tensorrt-llm")


def launch_texts(engine: str, server: Server, work: Workload, option: Option) -> Iterator[tuple[str, str]]:
    """(title, text) of each asked engine's commands for one option; what an engine cannot run is said in the text."""
    for name in ENGINES if engine == "all" else (engine,):
        main = _request(server, work, option, option.layout, "decode" if option.prefill else "together")
        if option.prefill is None:
            command = launch(name, main)
        else:
            command = launch_apart(name, _request(server, work, option, option.prefill, "prefill"), main)
        notes = "".join(f"\n# {note}" for note in command.notes)
        yield f"{name} {command.version}", "\n\n".join(text for _, text in command.commands) + notes


def _pass_tokens(work: Workload, option: Option, layout: Layout, role: Role) -> float:
    """New tokens of the largest pass of a replica: a token a sequence, and the prompts' on every data rank."""
    decoding = option.batch / layout.pipeline if role != "prefill" else 0.0
    prompts = {"together": option.chunk, "prefill": option.prompts * work.input}.get(role, 0.0)
    return decoding + prompts * layout.data


def _request(server: Server, work: Workload, option: Option, layout: Layout, role: Role) -> Launch:
    machine = server.machine
    node = machine.domain if layout.replica > machine.domain else None
    tokens = _pass_tokens(work, option, layout, role)
    return Launch(model=server.model.name, layout=layout,
                  max_sequences=max(1, int(option.batch if role != "prefill" else option.prompts * layout.data)),
                  max_tokens=max(1, int(tokens)), max_length=int(work.longest) + 1, kv_format=server.model.kv_format,
                  role=role, node=node, architecture=server.model, machine=machine)
