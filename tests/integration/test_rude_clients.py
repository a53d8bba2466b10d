"""Clients that are slow, greedy, impatient or broken: each gets a clean answer, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.conftest import Cloud

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HOST = "login.microsoftonline.com"
DOCUMENT = "/common/discovery/instance"
SECONDS = 20


@asynccontextmanager
async def plain(cloud: Cloud) -> AsyncIterator[Streams]:
    """A connection to the proxy's port."""
    port = int(cloud.simulator.simulation.proxy_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(SECONDS):
            yield reader, writer
    finally:
        writer.close()


@asynccontextmanager
async def secured(cloud: Cloud, host: str = HOST) -> AsyncIterator[Streams]:
    """A connection through the proxy to a simulated host."""
    async with plain(cloud) as (reader, writer):
        writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        trusted = ssl.create_default_context(cadata=cloud.simulator.simulation.authority.pem.decode())
        await writer.start_tls(trusted, server_hostname=host)
        yield reader, writer


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else await reader.read()
    return int(head.split(b" ")[1]), body


def get(path: str = DOCUMENT, host: str = HOST) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def assert_well(cloud: Cloud) -> None:
    """Everybody else is served as before."""
    assert (await cloud.http.get(f"https://{HOST}{DOCUMENT}")).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"GET / HTTP/1.1\nHost\x00: x\n\n",
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"CONNECT\r\n\r\n",
        b"CONNECT  HTTP/1.1\r\n\r\n",
        b"CONNECT nowhere.example:443 HTTP/1.1\r\n\r\n",
        b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n",
        b"CONNECT \xff\xfe:443 HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET http://nowhere.example/ HTTP/1.1\r\nHost: nowhere.example\r\n\r\n",
    ],
    ids=[
        "tls",
        "nul",
        "nonsense",
        "version",
        "bare",
        "no-host",
        "foreign",
        "address",
        "bytes",
        "length",
        "chunk",
        "plain",
    ],
)
async def test_what_is_no_request_is_refused_at_once(
    cloud: Cloud, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        async with plain(cloud) as (reader, writer):
            writer.write(sent)
            head = await reader.readline()
        assert head.split(b" ")[1][:1] in (b"4", b"5"), head
        await assert_well(cloud)
    assert not caplog.records, caplog.text
    cloud.simulator.simulation.unknown.clear()  # asked for on purpose


async def test_requests_in_a_row_are_answered_in_their_order(cloud: Cloud) -> None:
    async with secured(cloud) as (reader, writer):
        writer.write(get() + get("/nobody/v2.0/.well-known/openid-configuration") + get())
        assert [(await answer(reader))[0] for _ in range(3)] == [200, 400, 200]


async def test_a_request_that_arrives_byte_by_byte_is_answered(cloud: Cloud) -> None:
    async with secured(cloud) as (reader, writer):
        for byte in get():
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await answer(reader))[0] == 200


async def test_a_connect_that_arrives_byte_by_byte_is_answered(cloud: Cloud) -> None:
    async with plain(cloud) as (reader, writer):
        for byte in f"CONNECT {HOST}:443 HTTP/1.1\r\n\r\n".encode():
            writer.write(bytes([byte]))
            await writer.drain()
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")


async def test_a_client_that_dies_while_it_sends_is_forgotten(cloud: Cloud) -> None:
    for _ in range(20):
        async with secured(cloud) as (_, writer):
            writer.write(
                f"POST /t/oauth2/v2.0/token HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 999\r\n\r\nhalf".encode()
            )
            await writer.drain()
            writer.transport.abort()
    await assert_well(cloud)


async def test_a_client_that_dies_before_its_answer_is_forgotten(cloud: Cloud) -> None:
    for _ in range(20):
        async with secured(cloud) as (_, writer):
            writer.write(get())
            writer.transport.abort()
    await assert_well(cloud)


async def test_a_client_that_dies_in_its_tls_handshake_is_forgotten(cloud: Cloud) -> None:
    for _ in range(20):
        async with plain(cloud) as (reader, writer):
            writer.write(f"CONNECT {HOST}:443 HTTP/1.1\r\n\r\n\x16\x03\x01".encode("latin-1"))
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()
    await assert_well(cloud)


async def test_a_head_without_end_is_refused(cloud: Cloud) -> None:
    async with plain(cloud) as (reader, writer):
        writer.write(b"CONNECT " + b"a" * 200_000)
        assert b" 431 " in await reader.readline()
    async with secured(cloud) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000)
        assert b" 431 " in await reader.readline()


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mebibytes: int) -> bytes:
    """Send and send; the first line of what is answered, nothing where the connection is cut."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        for _ in range(mebibytes):
            writer.write(b"a" * (1 << 20))
            await writer.drain()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        return await reader.readline()
    return b""


async def test_a_body_without_end_is_cut_off(cloud: Cloud) -> None:
    head = f"POST /common/oauth2/v2.0/token HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {1 << 40}\r\n"
    async with secured(cloud) as (reader, writer):
        writer.write(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode())
        assert await pour(reader, writer, 64) == b""
    await assert_well(cloud)


async def test_the_owners_snapshot_may_be_larger_than_what_any_service_takes(cloud: Cloud) -> None:
    simulation = cloud.simulator.simulation
    answered = await cloud.http.post(
        f"{simulation.proxy_url}/restore", json={"azure": "x" * (33 << 20)}, auth=("simulate", simulation.key)
    )
    assert answered.status_code == 400
    assert "snapshot" in answered.text


async def test_a_large_body_in_one_piece_reaches_the_service(cloud: Cloud) -> None:
    answered = await cloud.http.post(f"https://{HOST}/common/oauth2/v2.0/token", data={"grant_type": "x" * 300_000})
    assert answered.status_code == 400
    assert "AADSTS" in answered.text


async def test_a_thousand_open_connections_leave_room_for_another(cloud: Cloud) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard > 0 else soft, hard))
    port = int(cloud.simulator.simulation.proxy_url.rpartition(":")[2])
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1000)]
    try:
        await assert_well(cloud)
        for reader, writer in opened[::100]:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert (await answer(reader))[0] == 200
    finally:
        for _, writer in opened:
            writer.close()
