"""Say how to use a running stack."""

from __future__ import annotations

import textwrap

from tonearm_local.account import Account
from tonearm_local.pasting import NAMES, snippet
from tonearm_local.sample import sample_video
from tonearm_local.stack import Stack

TITLES = {
    "curl": "With curl: log in, upload, watch, download",
    "grpcurl": "With grpcurl: log in, list conversions",
    "python": "With Python and the generated stubs: upload, watch, download",
}


def facts(stack: Stack, account: Account) -> str:
    """Put together what `up` prints: addresses, credentials, and three things to paste."""
    sections = [_addresses(stack, account)]
    for name in NAMES:
        title = TITLES[name]
        sections.append(f"{title}\n{'-' * len(title)}\n{paste(stack, account, name)}")
    return "\n".join(sections)


def paste(stack: Stack, account: Account, name: str) -> str:
    """Fill in one snippet for a running stack."""
    video = sample_video(stack.directory.root)
    return snippet(name, url=stack.url, account=account, video=video)


def _addresses(stack: Stack, account: Account) -> str:
    address = stack.url.removeprefix("http://")
    metrics = ", ".join(
        f"http://127.0.0.1:{part.ports[1]}/metrics ({part.name})"
        for part in stack.blueprint.parts
        if part.name in ("auth", "gateway", "converter", "notifier")
    )
    envoy = f"{stack.blueprint.addresses.admin_url}/stats/prometheus?usedonly"
    notices = "".join(f"\nStore     {notice}" for notice in stack.blueprint.notices)
    return (
        textwrap.dedent(
            """\
        Page      {url}/
        REST      {url}/v1/...
        gRPC      {address} (plaintext, reflection on)
        Mailbox   {mailbox}
        Metrics   {metrics}
                  {envoy} (envoy)
        Logs      {logs}
        Account   {email}
        Password  {password}"""
        ).format(
            url=stack.url,
            address=address,
            mailbox=stack.mailbox,
            metrics=metrics.replace(", ", "\n          "),
            envoy=envoy,
            logs=stack.directory.logs,
            email=account.email,
            password=account.password,
        )
        + f"{notices}\n"
    )
