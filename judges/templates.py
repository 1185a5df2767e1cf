"""Judge prompts: versioned Jinja2 files, rendered in a sandbox."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jinja2 import BaseLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .errors import JudgeDataError
from .verdicts import Game, Question

PROMPTS = Path(__file__).parent / "prompts"
# Plain text for a model, not HTML: escaping would change what is judged. The empty loader finds no file
# to include or import.
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    loader=BaseLoader(), autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True)
class JudgePrompt:
    """A judge's prompt; `name` carries the version, for the wording decides the verdicts.

    The source sees `conversation` (Turns with role and content), `first`, `second` and `marker`.
    """

    name: str
    source: str

    @cached_property
    def _template(self) -> Template:
        try:
            return _ENVIRONMENT.from_string(self.source)
        except TemplateError as error:
            raise JudgeDataError(f"judge prompt {self.name}: not a valid template: {error}") from error

    def render(self, game: Game) -> str:
        """The text for one call. Values are substituted once: template code inside a response stays text.

        Raises JudgeDataError for a wrong template: syntax, an undefined variable, a way out of the sandbox.
        """
        try:
            return self._template.render(
                conversation=game.question.conversation,
                first=game.first,
                second=game.second,
                marker=marker(game.question),
            )
        except TemplateError as error:
            raise JudgeDataError(f"judge prompt {self.name}: {error}") from error


def load_prompt(name: str = "pairwise_v1") -> JudgePrompt:
    """A shipped prompt by name; pairwise_v1 asks for one letter, A or B."""
    return JudgePrompt(name, (PROMPTS / f"{name}.j2").read_text(encoding="utf-8"))


def marker(question: Question) -> str:
    """Sixteen hex digits that fence the data; the same in both orders and every run, so calls can be cached.

    They are a digest of everything between the fences, so no response can contain its own marker.
    """
    turns = [[turn.role, turn.content] for turn in question.conversation]
    content = json.dumps([turns, sorted((question.response_a, question.response_b))])
    return hashlib.sha256(content.encode("ascii")).hexdigest()[:16]
