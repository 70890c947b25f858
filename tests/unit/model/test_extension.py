"""What is written under one of our `x-` keys, and is none of its words."""

import pytest

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import extension


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"autoscal": {}}, "web.x-kubernetes.autoscal: unknown key; did you mean autoscale?"),
        ({"zzz": 1}, "web.x-kubernetes.zzz: unknown key"),
        ({"ingress": {"host": "a"}}, "web.x-kubernetes.ingress.host: unknown key"),
        ({"drain": 5}, "web.x-kubernetes.drain: Expected `str`, got `int`"),
    ],
)
def test_it_is_refused_by_its_path(written: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        extension.service("web", {"x-kubernetes": written})
    assert str(raised.value).splitlines()[0] == said
