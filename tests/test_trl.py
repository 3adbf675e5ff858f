"""One training step of each TRL trainer on published versions, as their cards say. `make test-trl` runs it.

A model of a few thousand weights and a tokenizer that is made of the rows: what is tested is whether the trainers take
the columns, and that the loss is of the rows' tokens; not whether anything is learned.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

trl = pytest.importorskip("trl", reason="TRL is not installed here: `make test-trl` makes a .venv-trl that has it")
import datasets  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from tokenizers import ByteLevelBPETokenizer  # noqa: E402

DATASETS = Path(os.environ.get("FEEDBACK_DATA_DIR", "data")) / "datasets"
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
ROWS = 32


def published(name: str, cache: Path) -> datasets.Dataset:
    """The training rows of a dataset's latest version, opened by its folder as its card says."""
    latest = json.loads((DATASETS / name / "latest.json").read_text(encoding="utf-8"))
    rows = datasets.load_dataset(str(DATASETS / name / latest["version"]), cache_dir=str(cache))["train"]
    assert rows.num_rows >= ROWS
    return rows.shuffle(seed=0).select(range(ROWS))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    rows = published("sft", tmp_path_factory.mktemp("cache"))
    bpe = ByteLevelBPETokenizer()
    texts = [message["content"] for row in rows for message in row["messages"]]
    bpe.train_from_iterator(texts, vocab_size=512, special_tokens=SPECIAL, show_progress=False)
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, pad_token="<|pad|>", eos_token="<|end|>"
    )
    made.chat_template = TEMPLATE
    return made


def config(tokenizer: Any, **more: Any) -> Any:
    return transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=2048, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None, **more,
    )  # fmt: skip


def arguments(kind: Any, folder: Path, **more: Any) -> Any:
    return kind(
        output_dir=str(folder), max_steps=1, per_device_train_batch_size=4, logging_steps=1, report_to=[],
        save_strategy="no", use_cpu=True, bf16=False, seed=0, disable_tqdm=True, **more,
    )  # fmt: skip


def step(trainer: Any) -> dict[str, float]:
    """Trains one step; the loss is a number and the weights moved."""
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    logged: dict[str, float] = trainer.state.log_history[0]
    assert math.isfinite(logged["loss"]) and logged["loss"] > 0
    moved = [name for name, weight in trainer.model.named_parameters() if not torch.equal(before[name], weight)]
    assert moved
    return logged


def assert_holds(trained: Any, column: str, tokenizer: Any, rows: Any, of: str) -> None:
    """Every row's answer, whole, is among what the trainer made tokens of."""
    texts = [tokenizer.decode(ids) for ids in trained[column]]
    for row in rows:
        assert any(row[of][-1]["content"] in text for text in texts)


def causal(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(config(tokenizer))


def test_sft_takes_messages(tokenizer: Any, tmp_path: Path) -> None:
    rows = published("sft", tmp_path).select_columns(["messages"])
    trainer = trl.SFTTrainer(
        model=causal(tokenizer), args=arguments(trl.SFTConfig, tmp_path), train_dataset=rows, processing_class=tokenizer
    )
    expected = [tokenizer.apply_chat_template(row["messages"], tokenize=False) for row in rows]
    assert sorted(tokenizer.decode(row["input_ids"]) for row in trainer.train_dataset) == sorted(expected)
    # A model that knows nothing is as wrong as chance.
    assert step(trainer)["loss"] == pytest.approx(math.log(len(tokenizer)), rel=0.1)


def test_dpo_takes_prompt_chosen_and_rejected(tokenizer: Any, tmp_path: Path) -> None:
    rows = published("preference", tmp_path).select_columns(["prompt", "chosen", "rejected"])
    trainer = trl.DPOTrainer(
        model=causal(tokenizer), ref_model=causal(tokenizer), args=arguments(trl.DPOConfig, tmp_path),
        train_dataset=rows, processing_class=tokenizer,
    )  # fmt: skip
    assert_holds(trainer.train_dataset, "chosen_ids", tokenizer, rows, "chosen")
    assert_holds(trainer.train_dataset, "rejected_ids", tokenizer, rows, "rejected")
    # Model and reference are the same before the first step.
    assert step(trainer)["loss"] == pytest.approx(math.log(2), abs=1e-3)


def test_kto_takes_prompt_completion_and_label(tokenizer: Any, tmp_path: Path) -> None:
    rows = published("kto", tmp_path).select_columns(["prompt", "completion", "label"])
    assert set(rows["label"]) == {True, False}
    trainer = trl.KTOTrainer(
        model=causal(tokenizer), ref_model=causal(tokenizer), args=arguments(trl.KTOConfig, tmp_path),
        train_dataset=rows, processing_class=tokenizer,
    )  # fmt: skip
    assert_holds(trainer.train_dataset, "completion_ids", tokenizer, rows, "completion")
    assert list(trainer.train_dataset["label"]) == list(rows["label"])
    # As for DPO: nothing tells the model from its reference yet.
    assert step(trainer)["loss"] == pytest.approx(0.5, abs=1e-2)


def test_reward_takes_prompt_chosen_and_rejected(tokenizer: Any, tmp_path: Path) -> None:
    rows = published("preference", tmp_path).select_columns(["prompt", "chosen", "rejected"])
    torch.manual_seed(0)
    model = transformers.LlamaForSequenceClassification(config(tokenizer, num_labels=1))
    trainer = trl.RewardTrainer(
        model=model, args=arguments(trl.RewardConfig, tmp_path), train_dataset=rows, processing_class=tokenizer
    )
    assert_holds(trainer.train_dataset, "chosen_ids", tokenizer, rows, "chosen")
    assert step(trainer)["loss"] == pytest.approx(math.log(2), abs=0.1)
