"""shipit.yaml from text, as a user has it in the current folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.config.file import load
from shipit.errors import ConfigurationError
from shipit.model.pipeline import Pipeline

Load = Callable[[str | bytes], Pipeline]
Refused = Callable[[str | bytes], ConfigurationError]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """The pipeline in a shipit.yaml of this content."""
    monkeypatch.chdir(tmp_path)
    path = Path("shipit.yaml")

    def read(content: str | bytes) -> Pipeline:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load(path)

    return read


@pytest.fixture
def refused(loaded: Load) -> Refused:
    """The error that a shipit.yaml of this content gives."""

    def read(content: str | bytes) -> ConfigurationError:
        with pytest.raises(ConfigurationError) as raised:
            loaded(content)
        assert raised.value.exit_code == 2
        return raised.value

    return read
