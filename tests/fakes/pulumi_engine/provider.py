"""`pulumi-resource-aws` and `pulumi-resource-gcp`: the providers' protocol
(pulumirpc.ResourceProvider) over a cloud in a folder.

What a program gives is held against the SDK's own types, which are generated from the providers'
schemas. A bucket is also made in the S3 that SHIPIT_TEST_S3 names, where there is one.
"""

import os
import sys
import uuid
from concurrent import futures
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import ResourceProviderServicer, plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

from tests.fakes.moto import make_bucket
from tests.fakes.pulumi_engine.cloud import Cloud
from tests.fakes.pulumi_engine.inputs import wrong
from tests.fakes.pulumi_engine.known import answer, computed
from tests.fakes.pulumi_engine.orphan import ends_with_parent

S3 = "SHIPIT_TEST_S3"


class Provider(ResourceProviderServicer):
    def __init__(self, package: str, version: str) -> None:
        self._package, self._version = package, version
        self._cloud = Cloud.of_environment()

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self._version)

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.GetSchemaResponse(schema="{}")

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse()

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.ConfigureResponse(supportsPreview=True, acceptOutputs=True)

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        given = json_format.MessageToDict(request.news)
        failures = [
            provider_pb2.CheckFailure(property=name, reason=why)
            for name, why in wrong(_type(request.urn), given)
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        old = json_format.MessageToDict(request.old_inputs)
        new = json_format.MessageToDict(request.news)
        changed = sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k))
        kind = (
            provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        )
        replaces = [k for k in changed if k == "name"]
        return provider_pb2.DiffResponse(changes=kind, diffs=changed, replaces=replaces)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind, name = _type(request.urn), request.urn.rpartition("::")[2]
        inputs = json_format.MessageToDict(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        self._meet("create", kind, context)
        if kind == "aws:s3/bucket:Bucket" and S3 in os.environ:
            make_bucket(os.environ[S3], inputs["bucket"])
        made = f"{name.replace('/', '-')}-{uuid.uuid4().hex[:8]}"
        self._cloud.put(made, {"type": kind, "name": name, "inputs": inputs})
        return provider_pb2.CreateResponse(id=made, properties=_outputs(kind, name, made, inputs))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        found = self._cloud.get(request.id)
        if found is None:
            return provider_pb2.ReadResponse()
        outputs = _outputs(found["type"], found["name"], request.id, found["inputs"])
        return provider_pb2.ReadResponse(
            id=request.id, properties=outputs, inputs=_struct(found["inputs"])
        )

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind, name = _type(request.urn), request.urn.rpartition("::")[2]
        inputs = json_format.MessageToDict(request.news)
        if not request.preview:
            self._meet("update", kind, context)
            self._cloud.put(request.id, {"type": kind, "name": name, "inputs": inputs})
        return provider_pb2.UpdateResponse(properties=_outputs(kind, name, request.id, inputs))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._meet("delete", _type(request.urn), context)
        self._cloud.delete(request.id)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        given = json_format.MessageToDict(request.args)
        found = answer(request.tok, given)
        if found is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.tok} is not played here")
        return provider_pb2.InvokeResponse(**{"return": _struct(found or {})})

    def _meet(self, operation: str, kind: str, context: Any) -> None:
        """What a test wants to go wrong."""
        if why := self._cloud.fault(operation, kind):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, why)


def _type(urn: str) -> str:
    """urn:pulumi:stack::project::parent$type::name"""
    return urn.split("::")[2].rpartition("$")[2]


def _outputs(kind: str, name: str, made: str, inputs: dict[str, Any]) -> struct_pb2.Struct:
    return _struct({**inputs, **computed(kind, name, made, inputs)})


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    json_format.ParseDict(values, made)
    return made


def main(package: str, version: str) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(16))
    add_ResourceProviderServicer_to_server(Provider(package, version), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ends_with_parent()
    print(port, flush=True)  # noqa: T201 - how the engine learns it
    with suppress(KeyboardInterrupt):
        server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
