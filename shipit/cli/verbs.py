"""The table of verbs: what `shipit --help` shows without importing any of them."""

SECTIONS: dict[str, dict[str, str]] = {
    "Begin": {
        "init": "Write a shipit.yaml to start from.",
        "check": "Say what would stop a deployment, before it does.",
        "registry": "List or make the repositories that images are pushed to.",
        "schema": "Print the JSON Schema of shipit.yaml.",
    },
    "Deliver": {
        "build": "Build the images once, push them, record the release.",
        "deploy": "Put a release into an environment, through its gates.",
        "promote": "Take what runs upstream into the next environment.",
        "copy": "Copy an image, with all that vouches for it, to another registry.",
        "pipeline": "Build, then environment after environment until a gate holds.",
        "plan": "Show what a deployment would change.",
        "rollback": "Go back to a release that ran before, and hold.",
        "resume": "Take an interrupted deployment up again.",
    },
    "Look": {
        "status": "The matrix of services and environments.",
        "history": "Deployments, the newest first.",
        "releases": "Releases, the newest first.",
        "explain": "Why a release may or may not enter an environment.",
        "diff": "Compare two environments or releases.",
        "verify": "Prove digests, images and health again.",
    },
    "Decide": {
        "approve": "Approve a release for an environment.",
        "reject": "Reject a release for an environment.",
        "freeze": "Stop the line, with a reason.",
        "unfreeze": "Lift a hold.",
    },
    "Ground": {
        "iam": "Print the least IAM policy that an environment's deployments need.",
        "rbac": "Print the least Role that an environment's deployments need in its cluster.",
        "gc": "Take away what deployments left over and nothing needs any more.",
        "provision": "Bring an environment's Pulumi stack up, preview first.",
        "destroy": "Take an environment's Pulumi stack down.",
    },
    "Containers": {
        "ps": "List containers.",
        "logs": "Show what containers write.",
        "exec": "Run a command in a running container.",
        "run": "Run a command in a container of its own.",
        "start": "Start stopped services.",
        "stop": "Stop services.",
        "rm": "Remove an environment's containers and networks.",
    },
}
