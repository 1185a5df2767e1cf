"""`harness lm-eval`."""

import sys

import typer

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Whatever stands behind the command's name is lm-eval's."""


def lm_eval(context: typer.Context) -> None:
    """Run the lm_eval command, with the model harness-hf beside its own: hf, with shared prefixes computed once."""
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.api.registry import model_registry

    # lm-eval finds its models by name in this registry, which nothing but its own package fills by itself.
    model_registry.register("harness-hf", target="harness.benchmarks.prefix_sharing:PrefixSharingLM")
    sys.argv = ["lm_eval", *context.args]
    cli_evaluate()
