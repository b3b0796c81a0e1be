"""Say what a Kubernetes workload lacks, by the house's own rules."""

from __future__ import annotations

import re
from typing import Any

Manifest = dict[str, Any]


def pod(workload: Manifest) -> Manifest:
    """Give the pod that a deployment or a job at certain hours makes."""
    spec: Manifest = workload["spec"]
    found: Manifest = spec.get("jobTemplate", workload)["spec"]["template"]
    return found


def container(deployment: Manifest) -> Manifest:
    """Give the one container of a deployment's pod."""
    (found,) = pod(deployment)["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def pause_seconds(deployment: Manifest) -> int:
    """Say how long a replica waits before it is told to stop."""
    return int(container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"])


def weaknesses(deployment: Manifest) -> set[str]:
    """Name everything that every deployment here must have and this one has not."""
    return {
        name
        for name, so in {**_privileges(deployment), **_operations(deployment)}.items()
        if not so
    }


def job_weaknesses(job: Manifest) -> set[str]:
    """Name everything that every job at certain hours here must have and this one has not."""
    it = container(job)
    spec = job["spec"]
    resources = it.get("resources", {})
    operations = {
        "a version": bool(re.search(r":\d+\.\d+\.\d+$|@sha256:", it["image"])),
        "requests": {"cpu", "memory", "ephemeral-storage"} <= resources.get("requests", {}).keys(),
        "limits": {"memory", "ephemeral-storage"} <= resources.get("limits", {}).keys(),
        "an end": spec["jobTemplate"]["spec"].get("activeDeadlineSeconds", 0) > 0,
        "one at a time": spec.get("concurrencyPolicy") == "Forbid",
    }
    return {name for name, so in {**_privileges(job), **operations}.items() if not so}


def _privileges(deployment: Manifest) -> dict[str, bool]:
    spec = pod(deployment)["spec"]
    whole = spec.get("securityContext", {})
    own = container(deployment).get("securityContext", {})
    return {
        "no root": whole.get("runAsNonRoot") is True and whole.get("runAsUser", 0) > 0,
        "no privileges": own.get("allowPrivilegeEscalation") is False and "privileged" not in own,
        "no capabilities": own.get("capabilities") == {"drop": ["ALL"]},
        "a read-only root file system": own.get("readOnlyRootFilesystem") is True,
        "seccomp": whole.get("seccompProfile") == {"type": "RuntimeDefault"},
        "no token": spec.get("automountServiceAccountToken") is False,
        "nothing of the node": not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        and not any("hostPath" in volume for volume in spec.get("volumes", [])),
        "no literal secret": not any(
            re.search("SECRET|PASSWORD|_URI|DATABASE_URL", variable["name"]) and "value" in variable
            for variable in container(deployment).get("env", [])
        ),
    }


def _operations(deployment: Manifest) -> dict[str, bool]:
    spec = pod(deployment)["spec"]
    it = container(deployment)
    resources = it.get("resources", {})
    annotations = pod(deployment)["metadata"].get("annotations", {})
    rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
    return {
        "a version": bool(re.search(r":\d+\.\d+\.\d+$|@sha256:", it["image"])),
        "probes": {"startupProbe", "readinessProbe", "livenessProbe"} <= it.keys(),
        "requests": {"cpu", "memory", "ephemeral-storage"} <= resources.get("requests", {}).keys(),
        "limits": {"memory", "ephemeral-storage"} <= resources.get("limits", {}).keys(),
        "bounded volumes": all(
            "sizeLimit" in volume.get("emptyDir", {}) for volume in spec.get("volumes", [])
        ),
        "scraping": annotations.get("prometheus.io/scrape") == "true"
        and any(str(p["containerPort"]) == annotations["prometheus.io/port"] for p in it["ports"]),
        "spreading": bool(spec.get("topologySpreadConstraints")),
        "no gap while rolling": rolling.get("maxUnavailable") == 0
        and deployment["spec"]["replicas"] > 1,
    }
