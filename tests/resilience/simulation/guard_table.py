"""Which guards there are, how each is switched off, and which suite must notice."""

from __future__ import annotations

from dataclasses import dataclass

GATEWAY = "gateway_service/src/gateway_service"
CONVERTER = "converter_service/src/converter_service"
NOTIFIER = "notifier_service/src/notifier_service"
NOTIFIER_TESTS = "notifier_service/tests"
SIMULATION = "simulation"
CAGE = "converter_service/tests/test_cage.py"
SCENARIOS = "tests/resilience/simulation/test_scenarios.py"
KILLERS = "tests/resilience/simulation/test_killers.py"


@dataclass(frozen=True, slots=True)
class Guard:
    """A line that keeps the guarantee, and what to put in its place to be without it."""

    name: str
    file: str
    line: str
    instead: str
    suite: str = SIMULATION
    is_quick: bool = False
    """One of each kind, found so soon that every test run can afford it."""


GUARDS = (
    Guard(
        "fence: stale news",
        f"{GATEWAY}/domain/conversions.py",
        "if self.is_final or news.fence < self.fence or self._has_heard(news):",
        "if self.is_final or self._has_heard(news):",
    ),
    Guard(
        "fence: stale worker's writes",
        f"{CONVERTER}/adapters/claim_documents.py",
        '        "fence": claim.fence,\n        "owner": claim.owner,\n    }',
        "    }",
        is_quick=True,
    ),
    Guard(
        "fence: stale notifier's writes",
        f"{NOTIFIER}/adapters/delivery_documents.py",
        '        "attempts": claimed.attempts,\n        "fence": claimed.fence,\n',
        "",
        "notifier_service/tests/test_delivery_store.py",
    ),
    Guard(
        "final: news of what is over",
        f"{GATEWAY}/domain/conversions.py",
        "if self.is_final or news.fence < self.fence or self._has_heard(news):",
        "if news.fence < self.fence or self._has_heard(news):",
        SCENARIOS,
    ),
    Guard(
        "final: calling off what is over",
        f"{GATEWAY}/domain/conversions.py",
        "return None if self.is_final else self._cancelled(now)",
        "return self._cancelled(now)",
    ),
    Guard(
        "compare-and-set: gateway",
        f"{GATEWAY}/adapters/mongo_conversions.py",
        '{"_id": old.id, "revision": old.revision}, update',
        '{"_id": old.id}, update',
        SCENARIOS,
        is_quick=True,
    ),
    Guard(
        "compare-and-set: claims",
        f"{CONVERTER}/adapters/claim_documents.py",
        '        "state": RUNNING,\n        "fence": claim.fence,',
        '        "fence": claim.fence,',
        "converter_service/tests/test_tombstones.py",
    ),
    Guard(
        "dedupe: an order that is over",
        f"{CONVERTER}/adapters/claim_documents.py",
        '{"$eq": [{"$type": "$state"}, "missing"]},\n        {"$and"',
        '{"$in": ["$state", ["SUCCEEDED", "FAILED"]]},\n'
        '        {"$eq": [{"$type": "$state"}, "missing"]},\n        {"$and"',
    ),
    Guard(
        "dedupe: an order that was called off",
        f"{CONVERTER}/adapters/claim_documents.py",
        '{"$eq": [{"$type": "$state"}, "missing"]},\n        {"$and"',
        '{"$in": ["$state", ["CANCELLED", "DELETED"]]},\n'
        '        {"$eq": [{"$type": "$state"}, "missing"]},\n        {"$and"',
        SCENARIOS,
    ),
    Guard(
        "dedupe: telling the end again",
        f"{CONVERTER}/use_cases/desk.py",
        "await self._claims.announce_end(order.conversion_id, order.fence_floor)",
        "pass",
        SCENARIOS,
    ),
    Guard(
        "dedupe: one delivery a conversion",
        f"{NOTIFIER}/adapters/mongo_deliveries.py",
        'return delivery_of(await self._mails.find_one({"_id": new["_id"]}))',
        'await self._mails.replace_one({"_id": new["_id"]}, new)',
        SCENARIOS,
        is_quick=True,
    ),
    Guard(
        "dedupe: telling of a mail again",
        f"{NOTIFIER}/use_cases/notices.py",
        "await self._store.announce(delivery)",
        "pass",
        SCENARIOS,
    ),
    Guard(
        "dedupe: request_id",
        f"{GATEWAY}/adapters/mongo_conversions.py",
        "unique=True,",
        "unique=False,",
    ),
    Guard(
        "length: every sample heard",
        f"{CONVERTER}/use_cases/convert_video.py",
        "            recipe.require_all_heard(encoded, audio)\n",
        "",
        is_quick=True,
    ),
    Guard(
        "length: every byte of the upload",
        f"{GATEWAY}/use_cases/upload.py",
        "if declared.size_bytes and size < declared.size_bytes:",
        "if declared.size_bytes and size < 0:",
    ),
    Guard(
        "reconciler: reminders",
        f"{GATEWAY}/use_cases/follow.py",
        "due = await self._conversions.silent(now, BATCH)",
        "due = (await self._conversions.silent(now, BATCH))[:0]",
        is_quick=True,
    ),
    Guard(
        "reconciler: after a wiped broker",
        f"{GATEWAY}/adapters/mongo_conversions.py",
        '{"remind_time": {"$gt": now}}, {"$set": {"remind_time": now}}',
        '{"remind_time": {"$lt": now}}, {"$set": {"remind_time": now}}',
        SCENARIOS,
    ),
    Guard(
        "lease: it runs out",
        f"{CONVERTER}/adapters/claim_documents.py",
        'IS_DUE: Document = {"$lte": [{"$add": [LEASE_END, LOSS_REST]}, NOW]}',
        'IS_DUE: Document = {"$eq": [LEASE_END, 0]}',
        is_quick=True,
    ),
    Guard(
        "lease: it holds until then",
        f"{CONVERTER}/adapters/claim_documents.py",
        '{"$and": [{"$eq": ["$state", RUNNING]}, IS_DUE]},',
        '{"$eq": ["$state", RUNNING]},',
    ),
    Guard(
        "loss: only who is alone gets a suspect",
        f"{CONVERTER}/adapters/claim_documents.py",
        'is_free = IS_FREE if is_alone else {"$and": [IS_FREE, {"$not": [GOES_ALONE]}]}',
        "is_free = IS_FREE",
        "converter_service/tests/test_losses.py",
    ),
    Guard(
        "loss: nothing runs beside a suspect",
        f"{CONVERTER}/use_cases/desk.py",
        "        if self._is_alone:\n            return 0\n",
        "",
        "converter_service/tests/test_desk_alone.py",
    ),
    Guard(
        "loss: a suspect gets its turn",
        f"{CONVERTER}/use_cases/desk.py",
        "self._holds_back = self._is_to_hold_back(due)",
        "self._holds_back = False",
        "converter_service/tests/test_desk_alone.py",
    ),
    Guard(
        "loss: neighbours' losses do not count",
        f"{CONVERTER}/domain/attempts.py",
        "elif attempts.losses_alone >= self.losses_alone:",
        "elif attempts.losses >= self.losses_alone:",
        "converter_service/tests/test_convert_video.py",
    ),
    Guard(
        "loss: its neighbours live on",
        f"{CONVERTER}/domain/attempts.py",
        "ALONE_AFTER = 2",
        "ALONE_AFTER = 1000",
        KILLERS,
    ),
    Guard(
        "loss: only so many are given up",
        f"{CONVERTER}/use_cases/convert_video.py",
        "if exhaustion and await self._may_give_up(claim, exhaustion):",
        "if exhaustion:",
        KILLERS,
    ),
    Guard(
        "lease: of a mail",
        f"{NOTIFIER}/adapters/mongo_deliveries.py",
        '                    "lease_until": {"$lte": now},\n',
        "",
        SCENARIOS,
    ),
    Guard(
        "heartbeat: of a mail",
        f"{NOTIFIER}/use_cases/send.py",
        "held = await self._store.renew(claimed, self.seconds)",
        "held = True",
        SCENARIOS,
    ),
    Guard(
        "heartbeat: the claim is renewed",
        f"{CONVERTER}/use_cases/holding.py",
        "await self._claims.renew(claim)",
        "await self._claims.look(claim)",
    ),
    Guard(
        "heartbeat: a lost claim ends the work",
        f"{CONVERTER}/adapters/mongo_claims.py",
        "        if not documents.is_held(stored, claim) "
        "and not documents.is_recorded(stored, claim):\n            raise ClaimLost\n",
        "",
        SCENARIOS,
    ),
    Guard(
        "outbox: request, with the conversion",
        f"{GATEWAY}/adapters/mongo_conversions.py",
        '"outbox": _promises(conversion, conversion.awaited, conversion.create_time),',
        '"outbox": [],',
        SCENARIOS,
    ),
    Guard(
        "outbox: notice, with the end",
        f"{GATEWAY}/adapters/mongo_conversions.py",
        'update["$set"]["outbox"] = _promises(new, owed, new.sign_time)',
        'update["$set"]["outbox"] = []',
        SCENARIOS,
    ),
    Guard(
        "outbox: outcome, with the claim",
        f"{CONVERTER}/adapters/mongo_claims.py",
        "entries = [documents.entry(event)]",
        "entries = [documents.entry(event)][:0]",
        SCENARIOS,
    ),
    Guard(
        "outbox: confirmation, with the tombstone",
        f"{CONVERTER}/adapters/mongo_tombstones.py",
        '                    "$push": {"outbox": documents.entry(event)},\n',
        "",
        SCENARIOS,
    ),
    Guard(
        "outbox: mail, with the delivery",
        f"{NOTIFIER}/adapters/mongo_deliveries.py",
        '            changes["$push"] = {"outbox": entry}\n',
        "",
        SCENARIOS,
    ),
    Guard(
        "webhooks: recorded before the mail is settled",
        f"{NOTIFIER}/use_cases/send.py",
        "if delivery.unrecorded and not await self._branched(delivery):",
        "if False:",
        f"{NOTIFIER_TESTS}/test_webhook_use_cases.py",
    ),
    Guard(
        "webhooks: of the first request, not of its repeats",
        f"{NOTIFIER}/adapters/mongo_deliveries.py",
        "for webhook_id in delivery.unrecorded:",
        "for webhook_id in ():",
        SCENARIOS,
    ),
    Guard(
        "webhooks: told again under the same key",
        f"{NOTIFIER}/use_cases/hooks.py",
        '"webhook-id": delivery.key,',
        '"webhook-id": f"{delivery.key}:{delivery.attempts}",',
        f"{NOTIFIER_TESTS}/test_webhook_use_cases.py",
    ),
    Guard(
        "webhooks: forgotten with their conversion",
        f"{NOTIFIER}/adapters/mongo_deliveries.py",
        'await _put(self._hooks, {"_id": hook, **tombstone})',
        "pass",
        f"{NOTIFIER_TESTS}/test_delivery_store.py",
    ),
    Guard(
        "webhooks: never more than there may be",
        f"{NOTIFIER}/adapters/mongo_webhooks.py",
        '{"_id": webhooks.account_id, "version": webhooks.version}, document',
        '{"_id": webhooks.account_id}, document',
        f"{NOTIFIER_TESTS}/test_webhook_store.py",
    ),
    Guard(
        "webhooks: to public addresses only",
        f"{NOTIFIER}/adapters/public_network.py",
        "if host not in self._insecure_hosts and not all(map(is_public, addresses)):",
        "if False:",
        f"{NOTIFIER_TESTS}/test_courier.py",
    ),
    Guard(
        "tombstone: deleted is not shown",
        f"{GATEWAY}/adapters/mongo_conversions.py",
        '{"_id": conversion_id, "account_id": account_id, "delete_time": None}',
        '{"_id": conversion_id, "account_id": account_id}',
    ),
    Guard(
        "cleaning: audio before its confirmation",
        f"{CONVERTER}/use_cases/call_off.py",
        "        await self._audio.remove(called_off.audio_ids)\n"
        "        await self._audio.remove_all(called_off.conversion_id)\n",
        "",
    ),
    Guard(
        "sweeper: a live upload is not swept",
        f"{GATEWAY}/adapters/mongo_ledger.py",
        'query = {"state": RECEIVING, "touch_time": {"$lte": before}}',
        'query = {"state": RECEIVING}',
    ),
    Guard(
        "sweeper: a slow upload says that it lives",
        f"{GATEWAY}/use_cases/upload.py",
        "_check_alive(alive=await self._ledger.touch(video_id, self._clock.now()))",
        "pass",
        SCENARIOS,
    ),
    Guard(
        "sweeper: references that were never used",
        f"{GATEWAY}/use_cases/sweep.py",
        "            self._settle,\n",
        "",
    ),
    Guard(
        "sweeper: half uploads",
        f"{GATEWAY}/use_cases/sweep.py",
        "            self._give_up_idle_uploads,\n",
        "",
    ),
    Guard(
        "sweeper: half stored audio",
        f"{CONVERTER}/use_cases/housekeeping.py",
        "        await self._remove_fragments()\n",
        "",
        SCENARIOS,
    ),
    Guard(
        "sweeper: stray audio",
        f"{CONVERTER}/use_cases/housekeeping.py",
        "        await self._remove_files(since, until)\n",
        "",
        SCENARIOS,
    ),
    Guard(
        "sweeper: audio that is wanted stays",
        f"{CONVERTER}/adapters/mongo_tombstones.py",
        '                        {"outcome.stored.audio_id": {"$in": asked}},\n',
        "",
        "converter_service/tests/test_tombstones.py",
    ),
    Guard(
        "cage: files",
        f"{CONVERTER}/adapters/cage/landlock.py",
        "    _call(RESTRICT_SELF, ruleset, 0)\n",
        "",
        CAGE,
    ),
    Guard(
        "cage: signals",
        f"{CONVERTER}/adapters/cage/landlock.py",
        "SCOPES if version >= SCOPES_VERSION else 0",
        "0",
        CAGE,
    ),
    Guard(
        "cage: system calls",
        f"{CONVERTER}/adapters/cage/confine.py",
        "        seccomp.refuse()",
        "        pass",
        CAGE,
    ),
    Guard(
        "cage: what cannot be held does not run",
        f"{CONVERTER}/adapters/child.py",
        "if not await child.is_held():",
        "if await child.is_held() is None:",
        CAGE,
    ),
)
