"""Mistakes in the command line itself, told in one line, and the list of commands."""

from __future__ import annotations

from itertools import groupby
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from kcsim.errors import Problem, nearest

# Typer has click below it, or inside it, as its version has it.
UsageError: type[Exception] = cast(Any, typer.BadParameter.__base__)


class Commands(TyperGroup):
    """The commands, listed below headings in the order of their declaration."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each heading."""
        for heading, commands in groupby(self.commands.values(), _panel):
            with formatter.section(heading):
                formatter.write_dl([(each.name, each.get_short_help_str(200)) for each in commands])


def usage_problem(error: Any) -> Problem:
    """What is wrong with a command line; of an option, which commands have it."""
    if hasattr(error, "option_name") and hasattr(error, "possibilities"):
        if error.ctx.parent:
            return _unknown_option(error.option_name, error.ctx.command, error.ctx.parent.command)
        return Problem(f"'kcsim' itself has no option {error.option_name}", "a command before it")
    message = " ".join(error.format_message().split()).removesuffix(".")
    command = f"{error.ctx.command_path}: " if error.ctx else ""
    return Problem(command + message[:1].lower() + message[1:])


def _unknown_option(option: str, command: TyperCommand, group: TyperGroup) -> Problem:
    problem, word = f"'kcsim {command.name}' has no option {option}", option.lstrip("-")
    holders = [each for each in group.commands.values() if option in _options(each)]
    # What has moved is in a command beside, or has become one.
    beside = [each for each in holders if _panel(each) == _panel(command)]
    if word in group.commands and not beside:
        return Problem(problem, f"'kcsim {word}'")
    *names, last = [f"'kcsim {each.name}'" for each in beside or holders] or [""]
    if last:
        have = f" or {last}, which have it" if names else f"{last}, which has it"
        return Problem(problem, ", ".join(names) + have)
    near = nearest(word, [each.lstrip("-") for each in _options(command)])
    return Problem(problem, suggestion=near and f"--{near}")


def _options(command: Any) -> list[str]:
    return [option for parameter in command.params for option in parameter.opts]


def _panel(command: Any) -> Any:
    return command.rich_help_panel
