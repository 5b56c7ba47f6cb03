"""The log contains nothing that a client sent."""

import asyncio
import logging

import pytest
from aiohttp.http_exceptions import BadHttpMessage
from structlog.testing import capture_logs

from httpd.server_log import server_logger
from projector.views.daily import CatchingUpError
from tests.contract.conftest import Client
from tests.support.fakes_api import FakeView

PATH = "/api/v1/engagement-dashboard/users/chat-busier/weekly-data"


async def test_an_unexpected_error_is_logged_without_secrets(
    client: Client, view: FakeView, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """One line that locates the code, without token, user id or query string, even if the error has them."""
    view.error = RuntimeError(f"failed for {headers}")
    with caplog.at_level(logging.DEBUG), capture_logs() as logs:
        async with client.get(f"{PATH}?start=2023-05-19T00:00:00.000Z", headers=headers) as response:
            assert response.status == 500
    [line] = logs
    assert (line["log_level"], line["error"], line["path"]) == ("error", "RuntimeError", PATH)
    assert "daily_counts" in line["stack"]
    for secret in (headers["X-Auth-Token"], "alice", "2023-05-19"):
        assert secret not in f"{line}"
        assert secret not in caplog.text


async def test_known_errors_are_not_logged_per_request(
    client: Client, view: FakeView, headers: dict[str, str]
) -> None:
    view.error = CatchingUpError()
    with capture_logs() as logs:
        for sent in (headers, {}):
            await client.get(f"{PATH}?start=2023-05-19T00:00:00.000Z", headers=sent)
    assert logs == []


async def test_malformed_requests_are_not_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    with caplog.at_level(logging.INFO):
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: opensesame\x01\r\n\r\n".encode())
        assert b"400 Bad Request" in await reader.read()
    writer.close()
    await writer.wait_closed()
    assert caplog.text == ""


def test_the_servers_own_failures_are_logged_by_kind(caplog: pytest.LogCaptureFixture) -> None:
    for error in (RuntimeError("opensesame"), BadHttpMessage("opensesame")):
        server_logger().error("Error handling request from %s", "10.0.0.1", exc_info=error)
    assert caplog.messages == ["Error handling request from 10.0.0.1: RuntimeError"]
    assert "opensesame" not in caplog.text


def test_server_logger_can_be_called_repeatedly() -> None:
    assert server_logger() is server_logger()
    assert len(server_logger().filters) == 1
