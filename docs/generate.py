"""Writes docs/commands.md: every command's --help. Run it after changing a command: python docs/generate.py"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from harness.cli import app

WIDTH = 100
"""Columns, whatever the terminal's."""
_HEAD = """\
# Commands

What `harness COMMAND --help` says, written by `python docs/generate.py`. Every command that reports takes
`--json FILE`; progress goes to stderr. What the exit codes mean: [Troubleshooting](troubleshooting.md#exit-codes).
`harness lm-eval` passes everything on to lm-eval's own command, whose help `harness lm-eval --help` prints.
"""


def command_pages() -> str:
    """The whole page."""
    sections = (f"## {name}\n\n{_indented(text)}" for name, text in commands())
    return "\n".join([_HEAD, *sections])


def commands() -> Iterator[tuple[str, str]]:
    """("harness compare", its help) of every command, in the order of `harness --help`."""
    yield from _walk("harness", typer.main.get_command(app), None)


def _walk(name: str, command: Any, parent: Any) -> Iterator[tuple[str, str]]:
    word = name.rpartition(" ")[2]
    context = command.context_class(
        command, info_name=word, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH
    )
    yield name, command.get_help(context)
    for inner, subcommand in getattr(command, "commands", {}).items():
        yield from _walk(f"{name} {inner}", subcommand, context)


def _indented(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.split("\n"))


if __name__ == "__main__":
    Path(__file__).with_name("commands.md").write_text(command_pages(), encoding="utf-8")
