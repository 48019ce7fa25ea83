"""An engine is one file: it is a value of the config, and states what others must know of it."""

from pathlib import Path

import pytest

from molmix.config.schema import Generation
from molmix.core.errors import MolmixError
from molmix.core.fingerprint import cpu_has_bfloat16
from molmix.generation.engines import ENGINES

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_is_a_value_of_the_config_and_has_an_environment(name: str) -> None:
    assert Generation(engine=name).engine == name
    assert (ROOT / f"envs/{ENGINES[name].environment}.yaml").is_file()


def test_the_key_of_a_cache_holds_what_the_answers_of_an_engine_depend_on() -> None:
    about = ENGINES["transformers"].depends_on({})
    assert {"torch", "transformers", "tokenizers"} <= about["packages"].keys()
    on_cpu = about["device"].startswith("cpu")
    assert about["dtype"] == ("float32" if on_cpu else "bfloat16")
    large = "float32" if on_cpu and not cpu_has_bfloat16() else "bfloat16"
    assert ENGINES["transformers"].depends_on({"large_models": True})["dtype"] == large
    for dtype in ("float32", "bfloat16"):
        settings = Generation(dtype=dtype).model_dump()
        assert ENGINES["transformers"].depends_on(settings)["dtype"] == dtype


def test_transformers_runs_what_vllm_refuses(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "t5", "is_encoder_decoder": true}')
    ENGINES["transformers"].check_temperature(3.0)
    ENGINES["transformers"].check_folder("key", tmp_path)
    for check, arguments, message in (
        (ENGINES["vllm"].check_temperature, (3.0,), "generation.temperature: 3"),
        (ENGINES["vllm"].check_folder, ("key", tmp_path), "encoder-decoder"),
    ):
        with pytest.raises(MolmixError, match=message):
            check(*arguments)
