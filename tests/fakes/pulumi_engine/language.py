"""`pulumi-language-python`: runs a Python program for the engine, as the protocol asks
(pulumirpc.LanguageRuntime). The SDK's own host is a Go program that no package index has.

Which Python it is, is found as there (sdk/python/toolchain/pip.go).
"""

import os
import shutil
import subprocess
import sys
from concurrent import futures
from contextlib import suppress
from typing import Any

import grpc
from pulumi.runtime.proto import LanguageRuntimeServicer, language_pb2, plugin_pb2
from pulumi.runtime.proto.language_pb2_grpc import add_LanguageRuntimeServicer_to_server

from tests.fakes.pulumi_engine.orphan import ends_with_parent

_SHOWN = 32  # a program's exit code for "the engine has heard what is wrong already"


class Host(LanguageRuntimeServicer):
    """The programs need nothing that is not installed beside this host."""

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo()

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:  # noqa: N802
        return language_pb2.GetRequiredPluginsResponse()

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:  # noqa: N802
        return language_pb2.RuntimeOptionsResponse()

    def About(self, request: Any, context: Any) -> Any:  # noqa: N802
        return language_pb2.AboutResponse(executable=sys.executable)

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:  # noqa: N802
        return language_pb2.GetProgramDependenciesResponse()

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
        """In a process of its own: a program may do with its interpreter what it likes."""
        named = dict(request.info.options).get("virtualenv")
        if named:
            return language_pb2.RunResponse(
                error=f"{named} would be made, and requirements.txt installed into it"
            )
        python = os.environ.get("PULUMI_PYTHON_CMD") or shutil.which("python3") or "python3"
        command = [python, "-m", "tests.fakes.pulumi_engine.program", self._engine]
        ended = subprocess.run(
            command,
            input=request.SerializeToString(),
            stderr=subprocess.PIPE,
            cwd=request.pwd or None,
            check=False,
        )
        if ended.returncode == _SHOWN:
            return language_pb2.RunResponse(bail=True)
        if not ended.returncode:
            return language_pb2.RunResponse()
        said = ended.stderr.decode(errors="replace").strip()
        why = f"the program ended with {ended.returncode}: {said}"
        return language_pb2.RunResponse(error=why)


def main(engine: str) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(8))
    add_LanguageRuntimeServicer_to_server(Host(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ends_with_parent()
    print(port, flush=True)  # noqa: T201 - how the engine learns it
    with suppress(KeyboardInterrupt):  # how the engine ends its plugins
        server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[-1])
