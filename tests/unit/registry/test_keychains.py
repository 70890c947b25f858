"""The chain: who is asked, who answers, and why the others did not."""

import sys
import time

import pytest

from shipit.registry.artifact_registry import ArtifactRegistry
from shipit.registry.credentials import Credentials
from shipit.registry.ecr import ECR
from shipit.registry.github import GitHub
from shipit.registry.keychain import NOT_MINE, Answer, Chain, default

ECR_HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
GOOGLE_HOST = "europe-docker.pkg.dev"


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """A machine on which nobody has logged in to anything."""
    for name in ("GITHUB_ACTIONS", "GITHUB_TOKEN", "GITHUB_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", f"{tmp_path}/docker")
    monkeypatch.setenv("CLOUDSDK_CONFIG", f"{tmp_path}/gcloud")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/aws")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/credentials")


class Lasting:
    """Gives p1, p2, … each good for so many seconds."""

    name = "lasting"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.given = 0

    def resolve(self, registry: str) -> Credentials | None:
        self.given += 1
        until = time.monotonic() + self.seconds
        return Credentials.basic("u", f"p{self.given}", expires=until)

    def reason(self, registry: str) -> str:
        return ""


def test_credentials_are_kept_until_shortly_before_they_end() -> None:
    lasting = Chain([Lasting(3600)])
    assert [_password(lasting), _password(lasting)] == ["p1", "p1"]

    ending = Chain([Lasting(200)])
    assert [_password(ending), _password(ending)] == ["p1", "p2"]


def _password(chain: Chain) -> str:
    found = chain.resolve("r.io")
    assert found is not None
    return found.password.reveal()


def test_a_job_of_github_actions_has_its_own_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_1")
    monkeypatch.setenv("GITHUB_ACTOR", "ada")

    found = default().resolve("ghcr.io")

    assert found is not None
    assert (found.username, found.password.reveal()) == ("ada", "ghs_1")
    assert found.source == "GitHub Actions (GITHUB_TOKEN)"


def test_an_exported_token_of_a_persons_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_1")

    assert GitHub().resolve("ghcr.io") is None
    assert GitHub().reason("ghcr.io") == "this is not a job of it"


def test_a_job_without_the_token_is_told_what_its_step_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    assert GitHub().resolve("ghcr.io") is None
    assert "env: {GITHUB_TOKEN: ${{ github.token }}}" in GitHub().reason("ghcr.io")


def test_each_registry_hears_only_from_the_keychains_that_are_for_it() -> None:
    chain = default()

    said = {a.keychain: a.reason for a in chain.answers("ghcr.io")}

    assert said["ECR"] == said["Artifact Registry"] == NOT_MINE
    assert chain.reason("ghcr.io").endswith("config.json; GitHub Actions: this is not a job of it")
    assert not Answer("ECR", NOT_MINE).declined
    assert not Answer("ECR").declined


def test_no_credentials_of_amazons_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    keychain = ECR()

    assert keychain.resolve(ECR_HOST) is None
    assert keychain.reason(ECR_HOST).startswith("there are no AWS credentials: set AWS_PROFILE")


def test_a_profile_that_is_not_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    keychain = ECR()

    assert keychain.resolve(ECR_HOST) is None
    assert "nobody" in keychain.reason(ECR_HOST)


def test_no_credentials_of_googles_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the metadata address is not asked for: the fence would see it."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    keychain = ArtifactRegistry()

    assert keychain.resolve(GOOGLE_HOST) is None
    assert keychain.reason(GOOGLE_HOST).startswith("there are no Google credentials")


@pytest.mark.parametrize("content", ["{", "[]", '{"type": "x"}', '{"type": "service_account"}'])
def test_a_file_of_googles_that_is_no_such_thing_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, content: str
) -> None:
    path = f"{tmp_path}/key.json"
    with open(path, "w") as file:  # noqa: PTH123
        file.write(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
    keychain = ArtifactRegistry()

    assert keychain.resolve(GOOGLE_HOST) is None
    assert keychain.reason(GOOGLE_HOST)


def test_a_missing_library_is_a_reason_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    amazon, google = ECR(), ArtifactRegistry()

    assert amazon.resolve(ECR_HOST) is None
    assert amazon.reason(ECR_HOST) == "boto3 is not installed: pip install 'shipit[aws]'"
    assert google.resolve(GOOGLE_HOST) is None
    assert google.reason(GOOGLE_HOST) == "google-auth is not installed: pip install 'shipit[gcp]'"


def test_other_registries_load_no_sdk() -> None:
    import subprocess

    program = (
        "import sys\nfrom shipit.registry.keychain import default\n"
        "default().resolve('r.example.com')\n"
        "print([m for m in ('boto3', 'botocore', 'google.auth', 'grpc') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
