"""Finding and loading lm-eval tasks: shipped ones, a user's own YAML folder, or lm-eval's registry."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..folders import SUITES
from .quiet import quiet_lm_eval

Tasks = dict[str, dict[str, Any]]
"""lm-eval's TaskDict: "tasks" (name to Task), "groups" (name to Group), "group_map" (name to child names)."""

SHIPPED = SUITES / "benchmarks"


def load_tasks(names: Sequence[str], *, include_path: Path | None = None) -> Tasks:
    """The tasks, groups and tags of these names with their documents, each task once.

    A data file that lies beside its YAML is found from any working directory.
    Raises UsageError: unknown name (with the closest ones), documents that cannot be loaded, a task that
    would execute model-written code.
    """
    if include_path is not None and not include_path.is_dir():
        raise UsageError(f"{include_path}: must be a folder of lm-eval task YAML files")
    with quiet_lm_eval():
        manager = _manager(names, [SHIPPED, *([include_path] if include_path else [])])
        loaded: Tasks = {"tasks": {}, "groups": {}, "group_map": {}}
        for name in names:
            for part, entries in _load(manager, name).items():
                loaded[part] |= entries
    for name, task in loaded["tasks"].items():
        _refuse_unsafe(name, task)
    return loaded


def _manager(names: Sequence[str], folders: Sequence[Path]) -> Any:
    from lm_eval.tasks import TaskManager

    # lm-eval's own registry takes seconds to read; most runs need none of it.
    manager = TaskManager(include_path=list(folders), include_defaults=False)
    if not all(_complete(name, manager.task_index) for name in names):
        manager = TaskManager(include_path=list(folders), include_defaults=True)
    for name in names:
        if name not in manager.task_index:
            raise UsageError(_unknown(name, manager.all_tasks))
    for entry in manager.task_index.values():
        if entry.yaml_path and any(entry.yaml_path.is_relative_to(folder) for folder in folders):
            _anchor(entry)
    return manager


def _complete(name: str, index: Mapping[str, Any]) -> bool:
    """Whether `index` holds `name` and, of a group, all its members."""
    if name not in index:
        return False
    members = (index[name].cfg or {}).get("task")
    if not isinstance(members, list):
        return True
    return all(_complete(member, index) for member in members if isinstance(member, str))


def _unknown(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`lm_eval ls tasks` lists them all"
    return f"{name}: no shipped or lm-eval task, group or tag of this name; {hint}"


def _anchor(entry: Any) -> None:
    """Makes data files that lie beside the YAML absolute; lm-eval looks for them in the working directory."""
    from lm_eval.tasks._yaml_loader import load_yaml

    options = (entry.cfg or {}).get("dataset_kwargs") or {}
    anchored = _absolute(options.get("data_files"), entry.yaml_path.resolve().parent)
    if anchored != options.get("data_files"):
        config = load_yaml(entry.yaml_path)
        config["dataset_kwargs"] = {**config["dataset_kwargs"], "data_files": anchored}
        entry.cfg, entry.yaml_path = config, None


def _absolute(files: Any, folder: Path) -> Any:
    if isinstance(files, dict):
        return {split: _absolute(value, folder) for split, value in files.items()}
    if isinstance(files, list):
        return [_absolute(value, folder) for value in files]
    # Anything else may be a URL or a path inside a hub repository.
    return str(folder / files) if isinstance(files, str) and (folder / files).exists() else files


def _load(manager: Any, name: str) -> Tasks:
    try:
        loaded: Tasks = manager.load([name])
    except Exception as error:
        raise UsageError(
            f"task {name}: it cannot be loaded ({_reason(error)}); documents from the Hugging Face hub need "
            "the network once, those of the shipped tasks (harness_…) never do"
        ) from error
    return loaded


def _reason(error: BaseException) -> str:
    """The first line of the innermost cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip()}".split("\n")[0]


def _refuse_unsafe(name: str, task: Any) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        raise UsageError(
            f"task {name}: it executes code that the model wrote, which the harness does not do; leave it out"
        )
    if getattr(task, "MULTIMODAL", False):
        raise UsageError(f"task {name}: it shows the model images or sound; only text tasks can be compared")
