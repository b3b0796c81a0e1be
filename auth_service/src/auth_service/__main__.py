"""Put the auth service together and run it."""

from __future__ import annotations

from datetime import timedelta

import uvloop

from auth_service import rpc
from auth_service.adapters.argon2_passwords import Argon2Passwords
from auth_service.adapters.database import Database
from auth_service.adapters.jwt_signer import JWTSigner
from auth_service.adapters.sql_accounts import SQLAccountStore
from auth_service.adapters.sql_keys import SQLSigningKeyStore
from auth_service.settings import Settings
from auth_service.use_cases import CreateAccount, Keyring, Login, SweepRequests
from auth_service.worker import RequestSweeper
from tonearm.auth.v1 import auth_pb2_grpc
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.failpoints import Failpoints
from tonearm_chassis.logs import configure_logs
from tonearm_chassis.metrics import serve_metrics
from tonearm_chassis.preparation import Preparation
from tonearm_chassis.server import Binding, ServiceRunner
from tonearm_chassis.settings import load_settings
from tonearm_chassis.tracing import configure_tracing


async def main() -> None:
    """Run the auth service until it is told to stop."""
    settings = load_settings(Settings)
    configure_logs("auth", settings.log_level)
    configure_tracing("auth")
    serve_metrics(settings.metrics_address)
    clock = SystemClock()
    database = Database(settings.database_url.get_secret_value())
    passwords = Argon2Passwords()
    failpoints = Failpoints(settings.failpoints_directory)
    accounts = failpoints.around(SQLAccountStore(database), "auth.accounts")
    signer = JWTSigner(
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        seconds=settings.token_seconds,
        clock=clock,
    )
    secret = settings.key_encryption_secret.get_secret_value()
    keys = failpoints.around(SQLSigningKeyStore(database, secret), "auth.keys")
    keyring = Keyring(keys, signer, clock)
    servicer = rpc.AuthServicer(
        CreateAccount(accounts, passwords, clock),
        Login(accounts, passwords, keyring, signer, settings.token_seconds),
        keyring,
    )
    sweep = SweepRequests(accounts, clock, keep=timedelta(hours=settings.request_memory_hours))
    sweeper = RequestSweeper(sweep, every_seconds=settings.sweep_seconds)
    preparation = Preparation(database.migrate, keyring.prepare)
    runner = ServiceRunner(
        settings,
        [
            Binding(
                rpc.NAME,
                lambda server: auth_pb2_grpc.add_AuthServiceServicer_to_server(servicer, server),
            )
        ],
        rpc.TABLE,
    )
    try:
        await runner.run([preparation, sweeper], ready=[preparation.done])
    finally:
        await database.close()


if __name__ == "__main__":
    uvloop.run(main())
