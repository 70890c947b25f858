"""How the parts of the control plane are started."""

from pathlib import Path

LOOPBACK = "127.0.0.1"


def etcd(folder: Path, client: str, peer: str) -> list[str]:
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(folder: Path, etcd: str, port: int) -> list[str]:
    server, admin, accounts = (folder / name for name in ("server", "admin", "accounts"))
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",  # a loopback address is no endpoint it would publish
        f"--tls-cert-file={server}.crt",
        f"--tls-private-key-file={server}.key",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--kubelet-client-certificate={admin}.crt",
        f"--kubelet-client-key={admin}.key",
        f"--kubelet-certificate-authority={folder / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={accounts}.crt",
        f"--service-account-signing-key-file={accounts}.key",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        # A node is there from the moment it registers, with no taint to wait for.
        "--disable-admission-plugins=TaintNodesByCondition",
        f"--audit-policy-file={folder / 'audit.yaml'}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--profiling=false",
    ]


def controllers(folder: Path) -> list[str]:
    return [
        f"--kubeconfig={folder / 'kubeconfig'}",
        f"--service-account-private-key-file={folder / 'accounts.key'}",
        f"--root-ca-file={folder / 'ca.crt'}",
        "--leader-elect=false",
        "--secure-port=0",
        "--node-monitor-grace-period=24h",  # a node of the tests does not renew its lease
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]


def scheduler(folder: Path) -> list[str]:
    return [
        f"--kubeconfig={folder / 'kubeconfig'}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]
