"""Writes again what README.md and the guides quote of the program: run after a change of what it prints.

A quotation is a comment and the block below it:

    <!-- quote: first | Best layouts:5 -->      the paragraphs that start so, at most five lines of the second
    ```console
    $ rackline plan …                           this line is run, what stands below it is replaced
    ```

    <!-- quote -->
    ```python
    print(1 + 1)                                these lines are run, the text block below them is replaced
    ```
    ```text
    2
    ```
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

import rackline
from rackline.interface.cli import main as rackline_main

HERE = Path(__file__).resolve().parents[1]
PICTURE = "docs/img/frontier.svg"
MEASURED = HERE / "docs" / "measured.md"
WIDTH = "110"
CONSOLE = re.compile(r"(?P<head><!-- quote(?:: (?P<parts>[^>]+?))? -->\n```console\n\$ (?P<command>[^\n]+)\n)"
                     r"(?P<shown>.*?)(?P<tail>```\n)", re.DOTALL)
PYTHON = re.compile(r"(?P<head><!-- quote -->\n```python\n(?P<code>.*?)```\n```text\n)(?P<shown>.*?)(?P<tail>```\n)",
                    re.DOTALL)
INCLUDE = re.compile(r"(?P<head><!-- include: docs/measured.md -->\n).*?(?P<tail><!-- end -->\n)", re.DOTALL)


def pages() -> list[Path]:
    """The documents that may quote the program."""
    return [HERE / "README.md", *sorted((HERE / "docs" / "guides").glob("*.md")),
            *sorted((HERE / "docs" / "concepts").glob("*.md"))]


def refreshed(text: str) -> str:
    """A document with every quotation made again."""
    text = CONSOLE.sub(lambda m: m["head"] + shortened(output(m["command"]), m["parts"]) + m["tail"], text)
    text = PYTHON.sub(lambda m: m["head"] + printed(m["code"]) + m["tail"], text)
    return INCLUDE.sub(lambda m: m["head"] + measured() + m["tail"], text)


@cache
def output(command: str) -> str:
    """What a command line prints on stdout; an exception if it asks for anything but rackline."""
    name, *args = shlex.split(command)
    if name != "rackline":
        raise ValueError(f"only rackline is run, not {command}")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.chdir(HERE), terminal():
        status = rackline_main(args)
    if status not in (0, 3):
        raise ValueError(f"{command} ended with status {status}")
    return out.getvalue()


@contextlib.contextmanager
def terminal():
    """The environment of a terminal of one width, without colours."""
    before = dict(os.environ)
    os.environ |= {"COLUMNS": WIDTH, "NO_COLOR": "1"}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


@cache
def printed(code: str) -> str:
    """What lines of Python print."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.chdir(HERE):
        exec(compile(code, "document", "exec"), {})
    return out.getvalue()


def shortened(text: str, parts: str | None) -> str:
    """The paragraphs of a text that start with one of the parts; … stands for what is left out."""
    text = "\n".join(line.rstrip() for line in text.rstrip().splitlines()) + "\n"
    if not parts:
        return text
    paragraphs = text.rstrip("\n").split("\n\n")
    wanted = [part.strip() for part in parts.split("|")]
    shown: list[str] = []
    for number, paragraph in enumerate(paragraphs):
        part = next((w for w in wanted if starts(paragraph, number, w)), None)
        if part is not None:
            shown.append(cut(paragraph, part))
            wanted.remove(part)
        elif not shown or not shown[-1].endswith("…"):
            shown.append("…")
    if wanted:
        raise ValueError(f"nothing that the command prints starts with {wanted[0]!r}")
    return "\n\n".join(shown).replace("\n\n…", "\n…") + "\n"


def starts(paragraph: str, number: int, part: str) -> bool:
    """Whether a paragraph is the one that a part names."""
    name = part.rpartition(":")[0] or part
    return number == 0 if name == "first" else paragraph.startswith(name)


def cut(paragraph: str, part: str) -> str:
    """A paragraph, or its first lines where the part says how many."""
    most = part.rpartition(":")[2]
    lines = paragraph.splitlines()
    return paragraph if not most.isdigit() or len(lines) <= int(most) else "\n".join([*lines[: int(most)], "…"])


def measured() -> str:
    """What the page of measurements opens with, up to its first section."""
    head = MEASURED.read_text(encoding="utf-8").partition("\n## ")[0]
    return "\n" + head.partition("\n")[2].strip() + "\n\n"


def answer() -> rackline.decisions.answer.Answer:
    """The answer whose picture the README shows."""
    return rackline.plan("deepseek-v3", on="gb200-nvl72", input=4000, output=500, ttft=2, tpot="50 ms")


def main() -> None:
    """Writes the documents and the picture where they changed."""
    for page in pages():
        old = page.read_text(encoding="utf-8")
        if (new := refreshed(old)) != old:
            page.write_text(new, encoding="utf-8")
            print("wrote", page.relative_to(HERE), file=sys.stderr)
    with contextlib.chdir(HERE):
        if not Path(PICTURE).is_file() or answer().headline not in Path(PICTURE).read_text(encoding="utf-8"):
            rackline.save(answer(), PICTURE, force=True)
            print("wrote", PICTURE, file=sys.stderr)


if __name__ == "__main__":
    main()
