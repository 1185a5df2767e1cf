"""Completions of one side for a PromptSet, through the cache."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from .engine import Sampling, Side
from .items import Completion, Prompt, PromptSet, chat, content_hash
from .progress import Progress
from .store import Store


def complete(
    side: Side, prompts: PromptSet, sampling: Sampling, store: Store, *, progress: Progress
) -> list[Completion]:
    """One Completion per Prompt, in order; only what the cache lacks is asked of the model."""
    keys = {prompt.content_hash: _key(side, prompt, sampling) for prompt in prompts}
    cached = store.get_many("completion", list(keys.values()))
    progress(len(cached), len(prompts))
    found = {h: _from_row(cached[key], h) for h, key in keys.items() if key in cached}
    if len(found) < len(prompts):
        for batch in _batches(side, prompts):
            missing = [prompt for prompt in batch if prompt.content_hash not in found]
            if not missing:
                continue
            answers = side.generate(missing, sampling)
            store.put_many("completion", {keys[a.prompt_hash]: _to_row(a) for a in answers})
            found |= {answer.prompt_hash: answer for answer in answers}
            progress(len(found), len(prompts))
    # With the id of this PromptSet: the cache knows contents only.
    return [replace(found[prompt.content_hash], prompt_id=prompt.id) for prompt in prompts]


def _batches(side: Side, prompts: PromptSet) -> list[Sequence[Prompt]]:
    """Batches of similar length. They depend on the whole set, not on what is cached: in low precision an
    answer may depend on its batch, and a resumed run must give the same answers."""
    lengths = {p.content_hash: len(side.tokenizer.encode(side.render(chat(p.messages)))) for p in prompts}
    ordered = sorted(prompts, key=lambda p: (lengths[p.content_hash], p.content_hash))
    return [ordered[i : i + side.batch_size] for i in range(0, len(ordered), side.batch_size)]


def _key(side: Side, prompt: Prompt, sampling: Sampling) -> str:
    # As rendered, not as written: a template may put today's date into it.
    text = side.render(chat(prompt.messages))
    return content_hash({"side": dict(side.identity), "text": text, "sampling": asdict(sampling)})


def _to_row(completion: Completion) -> dict[str, Any]:
    return {"text": completion.text, "tokens": completion.tokens, "finish_reason": completion.finish_reason}


def _from_row(row: dict[str, Any], prompt_hash: str) -> Completion:
    return Completion("", prompt_hash, row["text"], row["tokens"], row["finish_reason"])
