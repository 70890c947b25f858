"""Do what a plan says: revisions first, which changes nothing, then the services."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model.deployment import Action, Desired
from shipit.targets.ecs import log_driver, names, preflight
from shipit.targets.ecs.cloud import Cloud, code_of, is_refused
from shipit.targets.ecs.plan import Move
from shipit.targets.ecs.render import Rendered
from shipit.targets.ecs.survey import Live, Survey, primary

Json = dict[str, Any]


class Applied(msgspec.Struct, frozen=True):
    """The deployment of each group as ECS answered it, and what ECS refused, in words."""

    deployments: dict[str, str]
    times: dict[str, datetime] = {}
    refused: dict[str, str] = {}
    notes: tuple[str, ...] = ()


class Work(msgspec.Struct, frozen=True):
    """`lives` are the services that are there, by group."""

    survey: Survey
    desired: Desired
    wanted: Mapping[str, Rendered]
    moves: Mapping[str, Move]
    lives: Mapping[str, Live]
    removed: tuple[str, ...]

    @property
    def cloud(self) -> Cloud:
        return self.survey.cloud


def apply(work: Work) -> Applied:
    """Raises PreconditionError while nothing has changed: a definition that ECS does not take.

    A service that ECS refuses after others were changed is in `refused`: it is a failure to be
    undone, and not a request that was wrong.
    """
    changing = {g: m for g, m in work.moves.items() if m.action is not Action.KEEP}
    _log_groups(work, [g for g, m in changing.items() if m.action is Action.CREATE])
    revisions = {g: _register(work, g) for g, m in changing.items() if m.revised}
    preflight.refuse_alarms(work.cloud, work.desired)  # one may have gone off since the plan
    notes: list[str] = []
    done: dict[str, Json] = {}
    refused: dict[str, str] = {}
    for group, move in changing.items():
        try:
            made = _carry_out(work, group, move, revisions.get(group, ""), notes)
        except RemoteError as error:
            if error.temporary:
                raise
            if not done and not refused:
                raise _nothing_changed(error) from error
            refused[group] = f"{error.what}: {error.why}"
        else:
            done[group] = primary(made) or {}
    for group in work.removed:
        delete(work.survey, work.lives[group].name)
    return Applied(
        {group: str(made.get("id", "")) for group, made in done.items()},
        {group: made["createdAt"] for group, made in done.items() if "createdAt" in made},
        refused,
        tuple(notes),
    )


def delete(survey: Survey, name: str) -> None:
    """Gone already is as good."""
    try:
        survey.cloud.call("ecs", "delete_service", cluster=survey.cluster, service=name, force=True)
    except RemoteError as error:
        if code_of(error) not in ("ServiceNotFoundException", "ServiceNotActiveException"):
            raise


def register(cloud: Cloud, desired: Desired, definition: Json, group: str) -> str:
    """A new revision's ARN. Raises PreconditionError when ECS does not take it."""
    tags = {
        **names.untagged(definition.get("tags")),
        **owner(desired),
        names.SERVICE: group,
        names.RELEASE: desired.release_id,
    }
    if desired.deployment:
        tags[names.DEPLOYMENT] = desired.deployment
    body = {**definition, "tags": names.tags(tags)}
    try:
        answer = cloud.call("ecs", "register_task_definition", **body)
    except RemoteError as error:
        if error.temporary:
            raise
        raise _nothing_changed(error, f"services.{group}: ") from error
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def owner(desired: Desired) -> dict[str, str]:
    return {names.APP: desired.app, names.ENVIRONMENT: desired.environment}


def _register(work: Work, group: str) -> str:
    return register(work.cloud, work.desired, work.wanted[group].task_definition, group)


def _carry_out(work: Work, group: str, move: Move, revision: str, notes: list[str]) -> Json:
    if move.action is Action.CREATE:
        return _create(work, work.wanted[group], revision)
    return _update(work, group, move, revision, notes)


def _create(work: Work, want: Rendered, revision: str) -> Json:
    daemon = want.service.get("schedulingStrategy") == "DAEMON"
    tags = _tags(work, want, str(want.count))
    try:
        answer = work.cloud.call(
            "ecs",
            "create_service",
            cluster=work.survey.cluster,
            serviceName=want.name,
            taskDefinition=revision,
            **({} if daemon else {"desiredCount": want.count}),
            clientToken=secrets.token_hex(16),
            **{"propagateTags": "TASK_DEFINITION", **want.service, "tags": names.tags(tags)},
        )
    except RemoteError as error:
        # The answer to the first request may have been lost: then the service is there already.
        made = work.survey.described([want.name]).get(want.name)
        if made is None or made.service.get("taskDefinition") != revision:
            raise
        if error.temporary or "not idempotent" in error.why:
            return made.service
        raise
    found: Json = answer["service"]
    return found


def _update(work: Work, group: str, move: Move, revision: str, notes: list[str]) -> Json:
    live, want = work.lives[group], work.wanted[group]
    count = _count(work, live, want, move, notes)
    answer = work.cloud.call(
        "ecs",
        "update_service",
        cluster=work.survey.cluster,
        service=live.name,
        **({"taskDefinition": revision} if revision else {}),
        **({"desiredCount": count} if count is not None else {}),
        **({"forceNewDeployment": True} if move.forced else {}),
        **{**({} if live.ours else {"propagateTags": "TASK_DEFINITION"}), **_settings(live, want)},
    )
    made: Json = answer["service"]
    _tag(work, live, want, count, made)
    return made


def _settings(live: Live, want: Rendered) -> Json:
    """All that UpdateService takes. What is there and not asked for any more is emptied."""
    fixed = ("launchType", "schedulingStrategy", "tags")
    sent = {k: v for k, v in want.service.items() if k not in fixed}
    for key, empty in (
        ("loadBalancers", []),
        ("serviceRegistries", []),
        ("enableExecuteCommand", False),
        ("healthCheckGracePeriodSeconds", 0),
        ("capacityProviderStrategy", []),  # which is the way back to its launch type
    ):
        if live.service.get(key) and key not in sent:
            sent[key] = empty
    if (
        live.primary.get("serviceConnectConfiguration")
        and "serviceConnectConfiguration" not in sent
    ):
        sent["serviceConnectConfiguration"] = {"enabled": False}
    alarms = (live.service.get("deploymentConfiguration") or {}).get("alarms") or {}
    rolling = sent["deploymentConfiguration"]
    if alarms.get("enable") and "alarms" not in rolling:
        none = {"alarmNames": [], "enable": False, "rollback": False}
        sent["deploymentConfiguration"] = {**rolling, "alarms": none}
    return sent


def _count(work: Work, live: Live, want: Rendered, move: Move, notes: list[str]) -> int | None:
    """Before a count is sent it is made sure that no autoscaler owns it (FIELD 34)."""
    if move.count is None or live.scaled == "no" or names.STOPPED in live.tags:
        return move.count
    if work.survey.is_scaled(live) == "yes":
        notes.append(f"{want.group.name}: an autoscaler owns the count, so it stays")
        return None
    return move.count


def _tags(work: Work, want: Rendered, count: str) -> dict[str, str]:
    own = names.untagged(want.service.get("tags"))
    ours = {names.SERVICE: want.group.name, names.REPLICAS: count}
    return {**own, **owner(work.desired), **ours}


def _tag(work: Work, live: Live, want: Rendered, count: int | None, made: Json) -> None:
    """Remember what was asked for. Not worth a failure: it only spares a question later."""
    asked = str(want.count if count is None else count)
    wanted = _tags(work, want, asked)
    new = {key: value for key, value in wanted.items() if live.tags.get(key) != value}
    arn = str(made["serviceArn"])
    if names.STOPPED in live.tags:
        work.cloud.call("ecs", "untag_resource", resourceArn=arn, tagKeys=[names.STOPPED])
    if new:
        work.cloud.call("ecs", "tag_resource", resourceArn=arn, tags=names.tags(new))


def _log_groups(work: Work, groups: Iterable[str]) -> None:
    """The environment's own log group is made with its first service; one that is named is not."""
    wanted = {
        options[log_driver.GROUP]
        for group in groups
        for container in work.wanted[group].task_definition["containerDefinitions"]
        if (options := (container.get("logConfiguration") or {}).get("options"))
        and log_driver.GROUP in options
    }
    for name in sorted(wanted & {default_log_group(work.desired)}):
        make_log_group(work.cloud, name)


def default_log_group(desired: Desired) -> str:
    return f"/ecs/{desired.app}-{desired.environment}"


def make_log_group(cloud: Cloud, name: str) -> None:
    """There already is as good; so is no permission: then it is somebody else's to make."""
    try:
        cloud.call("logs", "create_log_group", logGroupName=name)
    except RemoteError as error:
        if code_of(error) != "ResourceAlreadyExistsException" and not is_refused(error):
            raise


def _nothing_changed(error: RemoteError, subject: str = "") -> PreconditionError:
    return PreconditionError(f"{subject}{error.what}", error.why, error.next_step)
