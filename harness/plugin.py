"""The pytest plugin: gates as tests. Silent, and light at import, unless --checkpoint is given.

pytest suites/ --checkpoint PATH [--baseline SPEC]
"""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args

import pytest

from .errors import HarnessError
from .settings import Settings

if TYPE_CHECKING:
    from .comparison import Comparison, Outcome
    from .gates import GateResult

_PREFIX = "harness-"


class GateWarning(UserWarning):
    """A gate of severity `warn` did not pass."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "alignment-harness: may a checkpoint be promoted?")
    group.addoption("--checkpoint", metavar="SPEC", help="The candidate checkpoint; turns the harness on.")
    group.addoption("--baseline", metavar="SPEC", help="What it is compared with; by default what it was trained from.")
    group.addoption(
        "--inconclusive",
        choices=("fail", "skip"),
        default="fail",
        help="What a blocking gate that could not be decided does to its test (default: fail).",
    )
    for option in fields(Settings):
        value = next(iter(get_args(option.type)), option.type)  # of `int | None` the int, of a Literal its first word
        value = value if isinstance(value, type) else type(value)
        kind: dict[str, Any] = {"action": "store_true"} if value is bool else {"type": value}
        name = _PREFIX + option.name.replace("_", "-")
        group.addoption(f"--{name}", default=option.default, help=option.metadata["help"], **kind)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--checkpoint") is not None:
        if getattr(config.option, "numprocesses", None):
            raise pytest.UsageError("--checkpoint does not work with -n yet: every worker would write a Run of its own")
        config.pluginmanager.register(Session(config), "harness-session")


@pytest.fixture(scope="session")
def comparison(request: pytest.FixtureRequest) -> Comparison:
    """The comparison of --checkpoint with its baseline; sections are measured when first asked for."""
    session = request.config.pluginmanager.get_plugin("harness-session")
    if session is None:
        # A skip would read as a pass in CI, where the variable with the checkpoint was empty.
        pytest.exit("the harness's fixtures need --checkpoint SPEC", returncode=pytest.ExitCode.USAGE_ERROR)
    comparison: Comparison = session.comparison
    return comparison


@pytest.fixture
def gate(comparison: Comparison, request: pytest.FixtureRequest) -> Gatekeeper:
    """`gate(metric)` fails the test, with the numbers, unless the metric's gate passes."""
    return Gatekeeper(comparison, request.config.getoption("--inconclusive"))


class Gatekeeper:
    """Turns gate results into test outcomes."""

    def __init__(self, comparison: Comparison, inconclusive: str) -> None:
        self._comparison = comparison
        self._inconclusive = inconclusive

    def __call__(self, metric: str) -> GateResult:
        """Measures `metric` and checks its gate: FAIL fails, INCONCLUSIVE as --inconclusive says, `warn` warns."""
        __tracebackhide__ = True
        result = self._comparison.check(metric)
        if result.status == "pass":
            return result
        message = f"{result.status.upper()}: {result.reason}"
        if result.severity == "warn":
            warnings.warn(GateWarning(message), stacklevel=2)
        elif result.status == "inconclusive" and self._inconclusive == "skip":
            pytest.skip(message)
        else:
            pytest.fail(message, pytrace=False)
        return result


class Session:
    """What lives as long as a pytest run with --checkpoint: the store, the comparison, and at the end the Run."""

    def __init__(self, config: pytest.Config) -> None:
        from .folders import results_folder

        self._outcome: Outcome | None = None
        try:
            self.comparison = _comparison(config, results_folder())
        except (HarnessError, ValueError) as error:
            # Raised here it exits 4, as a usage error should; raised in a fixture it would exit 1.
            raise pytest.UsageError(str(error)) from error

    def pytest_sessionfinish(self) -> None:
        if self.comparison.estimates:
            self._outcome = self.comparison.finish()
        self.comparison.store.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._outcome is None:
            return
        from rich.console import Console

        from .summary import show_summary

        terminalreporter.section("harness")
        console = Console(file=terminalreporter._tw._file, highlight=False, markup=False, emoji=False)
        show_summary(self._outcome.summary, self._outcome.run, console)


def _comparison(config: pytest.Config, results: Any) -> Comparison:
    from .checkpoints import resolve, resolve_baseline
    from .comparison import Comparison
    from .store import Store

    chosen = {
        option.name: config.getoption(f"--{_PREFIX}{option.name.replace('_', '-')}") for option in fields(Settings)
    }
    settings = Settings(**chosen)
    candidate = resolve(config.getoption("--checkpoint"))
    given = config.getoption("--baseline")
    # An empty one is refused by resolve, and not taken for none: in CI a variable may be empty by mistake.
    baseline = resolve_baseline(candidate) if given is None else resolve(given)
    return Comparison(baseline, candidate, settings, Store(results, use_cache=not settings.no_cache))
