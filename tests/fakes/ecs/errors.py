"""ECS's own errors, by their codes and with the words that it uses."""


class EcsError(Exception):
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


def invalid(message: str) -> EcsError:
    return EcsError("InvalidParameterException", message)


def client(message: str) -> EcsError:
    return EcsError("ClientException", message)


def no_cluster() -> EcsError:
    return EcsError("ClusterNotFoundException", "Cluster not found.")


def no_service() -> EcsError:
    return EcsError("ServiceNotFoundException", "Service not found.")


def inactive_service() -> EcsError:
    return EcsError("ServiceNotActiveException", "Service was not ACTIVE.")
