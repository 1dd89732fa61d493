"""The command line: rackline QUESTION MODEL --on MACHINE …; data on stdout, everything else on stderr.

Exit status: 0 answered, 2 bad input, 3 nothing feasible, 1 a fault of this program, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rackline.decisions.questions import QUESTIONS, Question, ask, find, parameters
from rackline.errors import BadInput, did_you_mean
from rackline.interface import progress, usage

if TYPE_CHECKING:
    from click import Command, UsageError

    from rackline.decisions.answer import Answer


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without these characters shows "?" instead of failing
            stream.reconfigure(errors="replace")
    try:
        status = _answered(list(sys.argv[1:] if args is None else args))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _close_stdout()
        return 0
    except KeyboardInterrupt:
        return 130
    except BadInput as error:
        return _say(f"error: {error}", 2)
    except Exception as error:
        if os.environ.get("RACKLINE_DEBUG") == "1":
            raise
        return _say(f"internal error: {type(error).__name__}: {error} (please report it with this command line; "
                    "RACKLINE_DEBUG=1 shows where)", 1)


def _say(line: str, status: int) -> int:
    """One line on stderr, whatever was in it."""
    print("".join(c if c.isprintable() else "?" for c in " ".join(line.split())), file=sys.stderr)
    return status


def _close_stdout() -> None:
    # the interpreter flushes stdout once more at exit, and would complain about the broken pipe there
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answered(args: list[str]) -> int:
    wants_help = any(arg in ("--help", "-h") for arg in args)
    name = next((arg for arg in args if not arg.startswith("-")), None)
    if name is None and (wants_help or not args):
        return _print(usage.overview())
    if args[0] == "--version":
        from rackline import __version__

        return _print(f"rackline {__version__}\n")
    if args[0].startswith("-") and not wants_help:
        raise BadInput("rackline", "takes a question first", args[0], f"for example {QUESTIONS['plan'].example}")
    question = find(name or "")
    return _print(usage.of(question)) if wants_help else _run(question, args[1:])


def _print(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _run(question: Question, args: list[str]) -> int:
    places, values = _parsed(question, args)
    common = {name: values.pop(name, None) for name in usage.COMMON}
    if common["json"] and common["csv"]:
        raise BadInput("--json, --csv", "only one of them may be given", "both")
    if common["out"] is not None:
        from rackline.interface import export

        export.check_path(common["out"], force=bool(common["force"]))
    _check_files(question, values, bool(common["force"]))
    with progress.shown():
        answer = ask(question.name, *places, **values)
    _print(_shown(answer, common))
    _save_files(answer, bool(common["force"]))
    if common["out"] is not None:
        _save(answer, common)
    if answer.data.get("interrupted"):
        return 130
    return 0 if answer.feasible else 3


def _check_files(question: Question, values: dict[str, Any], force: bool) -> None:
    if any(p.kind == "new_file" and values.get(name) for name, p in parameters(question).items()):
        from rackline.interface import files

        files.check(question, values, force=force)


def _save_files(answer: Answer, force: bool) -> None:
    if answer.files:
        from rackline.interface import files

        for path in files.save(answer, force=force):
            _say(f"wrote {path}", 0)


def _shown(answer: Answer, common: dict[str, Any]) -> str:
    if common["json"] or common["csv"]:
        from rackline.interface import export

        return export.to_json(answer) if common["json"] else export.to_csv(answer)
    from rackline.interface import text

    look = text.Look(usage.width(), usage.colour(sys.stdout), bool(common["explain"]), bool(common["cite"]))
    return text.to_text(answer, look)


def _save(answer: Answer, common: dict[str, Any]) -> None:
    from rackline.interface import export

    try:
        export.save(answer, common["out"], force=bool(common["force"]))
    except BadInput as error:
        if answer.feasible:
            raise
        _say(f"not written: {error}", 3)  # what is not feasible has nothing to draw; the reasons are on stdout
        return
    _say(f"wrote {common['out']}", 0)


_PLACES = "places"


def _parsed(question: Question, args: list[str]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The texts given by place and for each option; BadInput for what is not understood."""
    import click

    try:
        found = _command(question).make_context(f"rackline {question.name}", list(args)).params
    except click.UsageError as error:
        raise _refused(error, question, args) from None
    places = found.pop(_PLACES)
    return places, {name: _once(_flags(question)[name], given) for name, given in found.items()}


def _command(question: Question) -> Command:
    import click

    made: list[click.Parameter] = [click.Argument([_PLACES], nargs=-1)]
    for name, flag in _flags(question).items():
        switch = _is_switch(question, name)
        made.append(click.Option([flag, name], is_flag=switch, multiple=not switch, default=None))
    return click.Command(question.name, params=made, add_help_option=False)


def _flags(question: Question) -> dict[str, str]:
    own = {name: p.flag for name, p in parameters(question).items() if p.flag.startswith("-")}
    return own | {name: f"--{name}" for name in usage.COMMON}


def _is_switch(question: Question, name: str) -> bool:
    declared = parameters(question).get(name)
    return declared.kind == "flag" if declared else name != "out"


def _once(flag: str, given: Any) -> Any:
    if not isinstance(given, tuple):
        return given or None
    if len(given) > 1:
        raise BadInput(flag, "may be given once", ", ".join(given))
    return given[0] if given else None


def _refused(error: UsageError, question: Question, args: list[str]) -> BadInput:
    """Click's complaint in this program's words."""
    asked = f"rackline {question.name}"
    if type(error).__name__ == "NoSuchOption":
        name = getattr(error, "option_name", "")
        return BadInput(asked, "has no such option", name, did_you_mean(name, _flags(question).values()))
    rule = error.format_message().rstrip(".")
    return BadInput(asked, rule[:1].lower() + rule[1:], " ".join(args), f"{asked} --help")
