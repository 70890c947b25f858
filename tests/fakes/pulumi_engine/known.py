"""What AWS and Google Cloud add to a resource, and what they answer when they are asked."""

from typing import Any

ACCOUNT, REGION = "111122223333", "eu-west-1"
# By name and by id, in the same order: what the account has.
ZONES = {
    "names": [f"{REGION}{letter}" for letter in "abc"],
    "zoneIds": ["euw1-az1", "euw1-az2", "euw1-az3"],
}

_INVOKED: dict[str, dict[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {
        "accountId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:user/tester",
        "id": ACCOUNT,
        "userId": "AIDATESTER",
    },
    "aws:index/getRegion:getRegion": {"id": REGION, "name": REGION, "region": REGION},
    "aws:index/getPartition:getPartition": {
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "id": "aws",
        "reverseDnsPrefix": "com.amazonaws",
    },
    "gcp:organizations/getProject:getProject": {"number": "123456789012", "projectId": "acme"},
    "aws:ssm/getParameter:getParameter": {"value": "ami-0123456789abcdef0", "type": "String"},
}


def answer(token: str, given: dict[str, Any]) -> dict[str, Any] | None:
    """What a data source says; None for one that is not known here."""
    if token == "aws:index/getAvailabilityZones:getAvailabilityZones":
        return {**given, "id": REGION, "region": REGION, "groupNames": [REGION], **_zones(given)}
    known = _INVOKED.get(token)
    return {**given, **known} if known is not None else None


def _zones(given: dict[str, Any]) -> dict[str, list[str]]:
    without = given.get("excludeZoneIds") or ()
    found = zip(ZONES["names"], ZONES["zoneIds"], strict=False)
    there = [(name, zone) for name, zone in found if zone not in without]
    return {"names": [name for name, _ in there], "zoneIds": [zone for _, zone in there]}


def computed(kind: str, name: str, made: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs that a cloud adds: an ARN in AWS, a self link in Google Cloud, and what depends
    on the type."""
    package, module, type_ = kind.split(":")
    service = module.partition("/")[0]
    region = "" if service == "iam" else REGION
    if package == "aws":
        common = {
            "arn": f"arn:aws:{service}:{region}:{ACCOUNT}:{type_.lower()}/{made}",
            "name": inputs.get("name", made),
            "id": made,
            "keyId": made,
            "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}",
            "latestVersion": 1,
        }
    else:
        project = inputs.get("project", "acme")
        common = {
            "selfLink": f"https://www.googleapis.com/compute/v1/projects/{project}/{made}",
            "name": inputs.get("name", made),
            "id": made,
            "project": project,
            "email": f"{inputs.get('accountId', made)}@{project}.iam.gserviceaccount.com",
        }
    if kind == "aws:s3/bucket:Bucket":
        common["arn"] = f"arn:aws:s3:::{inputs.get('bucket', made)}"
    if kind == "aws:cloudwatch/logGroup:LogGroup":
        common["arn"] = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{common['name']}"
    return {**common, **_COMPUTED.get(kind, {})}


_COMPUTED: dict[str, dict[str, Any]] = {
    "aws:eks/cluster:Cluster": {
        "endpoint": "https://ABCDEF.gr7.eu-west-1.eks.amazonaws.com",
        "certificateAuthority": {"data": "Q0E="},
        "identities": [{"oidcs": [{"issuer": "https://oidc.eks.eu-west-1.amazonaws.com/id/A"}]}],
        "vpcConfig": {"clusterSecurityGroupId": "sg-0123456789abcdef0"},
    },
    "aws:lb/loadBalancer:LoadBalancer": {
        "dnsName": "shop.eu-west-1.elb.amazonaws.com",
        "zoneId": "Z32O12XQLNTSW2",
        "arnSuffix": "app/shop/0123456789abcdef",
    },
    "gcp:container/cluster:Cluster": {"endpoint": "10.0.0.2"},
}
