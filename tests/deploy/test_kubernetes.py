"""See that the manifests are valid, closed, and speak to the services in their own words."""

from __future__ import annotations

import copy
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .tree import (
    ENVOY_IMAGE,
    KUBERNETES,
    ROOT,
    SERVICES,
    dockerfile,
    documents,
    env_file,
    lacking,
    refused,
    run,
    tool,
    version,
)
from .workloads import Manifest, container, job_weaknesses, pause_seconds, pod, weaknesses

BASE = KUBERNETES / "base"
EXAMPLE = KUBERNETES / "overlays/example"
(KUSTOMIZATION,) = documents(BASE / "kustomization.yaml")
(OVERLAY,) = documents(EXAMPLE / "kustomization.yaml")
FILES = [BASE / name for name in KUSTOMIZATION["resources"]]
MANIFESTS = [manifest for file in FILES for manifest in documents(file)]
DEPLOYMENTS = {it["metadata"]["name"]: it for it in MANIFESTS if it["kind"] == "Deployment"}
(AUDIT,) = [it for it in MANIFESTS if it["kind"] == "CronJob"]

deployments = pytest.mark.parametrize("name", DEPLOYMENTS)
services = pytest.mark.parametrize("service", SERVICES)


def of_kind(kind: str) -> dict[str, Manifest]:
    return {it["metadata"]["name"]: it for it in MANIFESTS if it["kind"] == kind}


def labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


def secret_keys(service: str) -> dict[str, Manifest]:
    """Give each variable of a service that comes out of a secret, with its reference."""
    variables = container(DEPLOYMENTS[f"{service}-service"])["env"]
    return {it["name"]: it["valueFrom"]["secretKeyRef"] for it in variables}


def told(service: str) -> dict[str, str]:
    """Give the environment of a service in the example, with made-up secrets."""
    given = env_file(BASE / f"settings/{service}.env")
    for generator in OVERLAY["configMapGenerator"]:
        if generator["name"] == f"{service}-settings":
            given |= dict(pair.split("=", 1) for pair in generator["literals"])
    return given | dict.fromkeys(secret_keys(service), "0123456789abcdef" * 4)


@pytest.fixture(scope="module")
def built() -> str:
    """Give the example as kustomize puts it together."""
    kustomize = shutil.which("kustomize") or shutil.which("kustomize", path=ROOT / ".build/bin")
    if kustomize is None:
        lacking("kustomize")
    status, said = run([kustomize, "build", EXAMPLE])
    assert status == 0, said
    return said


def test_the_base_is_what_the_api_wants() -> None:
    status, said = run([tool("kubernetes-validate"), "--strict", *FILES])

    assert status == 0, said


def test_what_the_api_does_not_know_is_seen(tmp_path: Path) -> None:
    broken = copy.deepcopy(DEPLOYMENTS["envoy"])
    container(broken)["readinesProbe"] = {}
    (tmp_path / "envoy.yaml").write_text(yaml.safe_dump(broken), "utf-8")

    status, said = run([tool("kubernetes-validate"), "--strict", tmp_path / "envoy.yaml"])

    assert status != 0
    assert "readinesProbe" in said


def test_every_manifest_is_listed() -> None:
    lying_there = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}

    assert set(KUSTOMIZATION["resources"]) == lying_there


def test_the_example_is_what_the_api_wants(built: str, tmp_path: Path) -> None:
    (tmp_path / "built.yaml").write_text(built, "utf-8")

    status, said = run([tool("kubernetes-validate"), "--strict", tmp_path / "built.yaml"])

    assert status == 0, said


def test_the_example_puts_in_every_address_and_narrows_every_database(built: str) -> None:
    manifests = list(yaml.safe_load_all(built))
    running = ("Deployment", "CronJob")
    images = [container(it)["image"] for it in manifests if it["kind"] in running]
    maps = {it["metadata"]["name"] for it in manifests if it["kind"] == "ConfigMap"}
    read = {
        source["configMapRef"]["name"]
        for it in manifests
        if it["kind"] == "Deployment"
        for source in container(it).get("envFrom", [])
    }
    anywhere = {
        it["metadata"]["name"]
        for it in manifests
        if it["kind"] == "NetworkPolicy"
        for rule in it["spec"].get("egress", [])
        if "to" not in rule
    }

    assert all(image.startswith("registry.example.com/tonearm/") for image in images)
    assert read == maps
    assert anywhere == {"notifier-service"}, "mail servers change their addresses"
    assert {it["metadata"].get("namespace", "tonearm") for it in manifests} == {"tonearm"}


@deployments
def test_a_deployment_is_hardened(name: str) -> None:
    assert weaknesses(DEPLOYMENTS[name]) == set()


BREAKS: dict[str, Callable[[Manifest], Any]] = {
    "no root": lambda it: pod(it)["spec"]["securityContext"].update(runAsUser=0),
    "no privileges": lambda it: container(it)["securityContext"].update(privileged=True),
    "no capabilities": lambda it: container(it)["securityContext"].pop("capabilities"),
    "a read-only root file system": lambda it: container(it)["securityContext"].pop(
        "readOnlyRootFilesystem"
    ),
    "seccomp": lambda it: pod(it)["spec"]["securityContext"].pop("seccompProfile"),
    "no token": lambda it: pod(it)["spec"].pop("automountServiceAccountToken"),
    "nothing of the node": lambda it: pod(it)["spec"].update(hostNetwork=True),
    "no literal secret": lambda it: container(it)["env"].append(
        {"name": "SMTP_PASSWORD", "value": "tonearm"}
    ),
    "a version": lambda it: container(it).update(image="tonearm/auth-service:latest"),
    "probes": lambda it: container(it).pop("livenessProbe"),
    "requests": lambda it: container(it)["resources"]["requests"].pop("memory"),
    "limits": lambda it: container(it)["resources"]["limits"].pop("memory"),
    "bounded volumes": lambda it: pod(it)["spec"]["volumes"].append({"name": "x", "emptyDir": {}}),
    "scraping": lambda it: pod(it)["metadata"]["annotations"].update({"prometheus.io/port": "1"}),
    "spreading": lambda it: pod(it)["spec"].pop("topologySpreadConstraints"),
    "no gap while rolling": lambda it: it["spec"].update(replicas=1),
}


@pytest.mark.parametrize("lack", BREAKS)
def test_a_weak_deployment_is_seen(lack: str) -> None:
    broken = copy.deepcopy(DEPLOYMENTS["auth-service"])
    BREAKS[lack](broken)

    assert weaknesses(broken) == {lack}


def test_the_audit_is_hardened_ends_and_is_never_twice() -> None:
    assert job_weaknesses(AUDIT) == set()


JOB_BREAKS: dict[str, Callable[[Manifest], Any]] = {
    "no root": lambda it: pod(it)["spec"]["securityContext"].update(runAsUser=0),
    "no literal secret": lambda it: container(it)["env"].append(
        {"name": "MONGODB_URI", "value": "mongodb://x"}
    ),
    "a version": lambda it: container(it).update(image="tonearm/operations:latest"),
    "limits": lambda it: container(it)["resources"].pop("limits"),
    "an end": lambda it: it["spec"]["jobTemplate"]["spec"].pop("activeDeadlineSeconds"),
    "one at a time": lambda it: it["spec"].pop("concurrencyPolicy"),
}


@pytest.mark.parametrize("lack", JOB_BREAKS)
def test_a_weak_job_is_seen(lack: str) -> None:
    broken = copy.deepcopy(AUDIT)
    JOB_BREAKS[lack](broken)

    assert job_weaknesses(broken) == {lack}


def test_the_audit_is_told_what_its_command_understands_and_may_reach_the_documents_alone() -> None:
    it = container(AUDIT)
    status, said = run([sys.executable, "-m", "tonearm_operations", *it["args"], "--help"])
    policy = of_kind("NetworkPolicy")["audit"]["spec"]

    assert status == 0, said
    assert [each["name"] for each in it["env"]] == ["MONGODB_URI"]
    assert it["image"] == f"tonearm/operations:{version('deploy/operations')}"
    assert pod(AUDIT)["metadata"]["labels"] == labels("audit")
    assert policy["podSelector"]["matchLabels"] == labels("audit")
    assert [rule["ports"] for rule in policy["egress"]] == [[{"port": 27017, "protocol": "TCP"}]]


@deployments
def test_a_deployment_has_a_service_a_budget_and_a_policy(name: str) -> None:
    policy = of_kind("NetworkPolicy")[name]["spec"]

    assert pod(DEPLOYMENTS[name])["metadata"]["labels"] == labels(name)
    assert DEPLOYMENTS[name]["spec"]["selector"]["matchLabels"] == labels(name)
    assert of_kind("Service")[name]["spec"]["selector"] == labels(name)
    assert of_kind("PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"] == labels(name)
    assert policy["podSelector"]["matchLabels"] == labels(name)


def test_nothing_is_reached_unless_a_policy_says_so() -> None:
    nothing = of_kind("NetworkPolicy")["nothing"]["spec"]
    from_anywhere = {
        name
        for name, policy in of_kind("NetworkPolicy").items()
        for rule in policy["spec"].get("ingress", [])
        if "from" not in rule
    }

    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert from_anywhere == {"envoy"}
    assert all(
        "ports" in rule
        for it in of_kind("NetworkPolicy").values()
        for rule in [*it["spec"].get("ingress", []), *it["spec"].get("egress", [])]
    )


def test_the_namespace_admits_the_restricted_alone() -> None:
    (namespace,) = of_kind("Namespace").values()

    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_secrets_are_references_that_the_readme_fills() -> None:
    commands = (KUBERNETES / "README.md").read_text("utf-8").split("create secret generic ")[1:]
    made = {
        (text.split()[0], key) for text in commands for key in re.findall(r"literal=(\w+)=", text)
    }
    read = {
        (reference["name"], reference["key"])
        for service in SERVICES
        for reference in secret_keys(service).values()
    }
    for variable in container(AUDIT)["env"]:
        reference = variable["valueFrom"]["secretKeyRef"]
        read.add((reference["name"], reference["key"]))

    assert read == made
    assert not of_kind("Secret")
    assert "secretGenerator" not in {*KUSTOMIZATION, *OVERLAY}


@services
def test_a_service_starts_with_what_the_example_tells_it(service: str) -> None:
    given = told(service)
    if service == "auth":
        given["DATABASE_URL"] = "mysql+pymysql://auth:made-up@mysql.example.com/auth"

    assert refused(service, given) == ""


@services
def test_a_service_is_probed_by_a_name_that_it_serves(service: str) -> None:
    it = container(DEPLOYMENTS[f"{service}-service"])
    package, _, name = it["readinessProbe"]["grpc"]["service"].rpartition(".")
    protos = (ROOT / "protos" / package.replace(".", "/")).glob("*.proto")

    assert any(f"service {name} {{" in proto.read_text("utf-8") for proto in protos)
    assert it["image"] == f"tonearm/{service}-service:{version(f'{service}_service')}"


@services
def test_a_service_may_drain_before_it_is_killed(service: str) -> None:
    deployment = DEPLOYMENTS[f"{service}-service"]
    drain = float(told(service)["DRAIN_SECONDS"])

    assert pod(deployment)["spec"]["terminationGracePeriodSeconds"] > drain + pause_seconds(
        deployment
    )


@services
def test_a_service_has_a_record_for_each_replica(service: str) -> None:
    spec = of_kind("Service")[f"{service}-service"]["spec"]

    assert spec["clusterIP"] == "None"
    assert [port["port"] for port in spec["ports"]] == [50051]


def test_the_edge_is_built_for_these_services() -> None:
    built_in = dict(
        word.split("=", 1)
        for each in dockerfile(ENVOY_IMAGE)
        if each.keyword == "ARG"
        for word in each.words
    )

    hosts = {built_in[f"{name}_HOST"] for name in ("AUTH", "GATEWAY", "NOTIFIER")}
    ports = {built_in[f"{name}_PORT"] for name in ("AUTH", "GATEWAY", "NOTIFIER")}

    assert hosts <= of_kind("Service").keys()
    assert ports == {"50051"}
    for name in ("MAX_VIDEO_BYTES", "TOKEN_ISSUER", "TOKEN_AUDIENCE"):
        assert built_in[name] == told("gateway")[name], name


def test_the_edge_runs_as_its_image_does() -> None:
    (user,) = [each.words for each in dockerfile(ENVOY_IMAGE) if each.keyword == "USER"][-1]
    context = pod(DEPLOYMENTS["envoy"])["spec"]["securityContext"]

    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
