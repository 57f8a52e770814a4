# SPDX-License-Identifier: Apache-2.0
"""Other people's WebSocket clients and servers.

client websockets|aiohttp|wsproto PORT plain|deflate   talks to an echo server; exits with 0 if all was as it should be
server websockets|aiohttp|wsproto plain|deflate        echoes on a free port, which it prints; ends when its standard input does
"""

import asyncio
import os
import socket
import sys
import threading

LONG = "".join(chr(32 + i * i // 7 % 95) for i in range(300_000))
MESSAGES = ["", "hello", "κόσμε 👩‍👩‍👧‍👦", "x" * 125, "x" * 126, "y" * 65_535, "y" * 65_536, LONG, "again", "again",
            b"", b"\x00\xff\x80", bytes(range(256)) * 1_000]


def check(condition, text):
    if not condition:
        sys.exit(f"not as it should be: {text}")


# --- websockets


async def websockets_client(port, deflates):
    import websockets

    compression = "deflate" if deflates else None
    url = f"ws://127.0.0.1:{port}/"
    async with websockets.connect(url, compression=compression, subprotocols=["b", "a"], proxy=None) as connection:
        check(connection.subprotocol == "a", "subprotocol")
        check(bool(connection.protocol.extensions) == deflates, "compression")
        for message in MESSAGES:
            await connection.send(message)
            check(await connection.recv() == message, "echo")
        await connection.send(["in ", "", "three ", "fragments"])
        check(await connection.recv() == "in three fragments", "fragments")
        await asyncio.wait_for(await connection.ping(), 30)
        await connection.close(3001, "done")
        check(connection.close_code == 3001, f"close code {connection.close_code}")


async def websockets_server(deflates, ready):
    import websockets

    async def echo(connection):
        async for message in connection:
            if message == "please close":
                await connection.close(4001, "as you wish")
                return
            await connection.send(message)

    server = await websockets.serve(
        echo, "127.0.0.1", 0, compression="deflate" if deflates else None, subprotocols=["a"], max_size=None)
    ready(server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().create_future()


# --- aiohttp


async def aiohttp_client(port, deflates):
    import aiohttp

    url = f"ws://127.0.0.1:{port}/"
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, compress=15 if deflates else 0, protocols=["b", "a"]) as connection:
            check(connection.protocol == "a", "subprotocol")
            check(bool(connection.compress) == deflates, "compression")
            for message in MESSAGES:
                if isinstance(message, str):
                    await connection.send_str(message)
                    check(await connection.receive_str() == message, "text")
                else:
                    await connection.send_bytes(message)
                    check(await connection.receive_bytes() == message, "bytes")
            await connection.close(code=3001, message=b"done")
            check(connection.close_code == 3001, f"close code {connection.close_code}")


async def aiohttp_server(deflates, ready):
    from aiohttp import WSMsgType, web

    async def echo(request):
        connection = web.WebSocketResponse(compress=deflates, protocols=["a"], max_msg_size=0)
        await connection.prepare(request)
        async for message in connection:
            if message.type == WSMsgType.TEXT and message.data == "please close":
                await connection.close(code=4001, message=b"as you wish")
            elif message.type == WSMsgType.TEXT:
                await connection.send_str(message.data)
            elif message.type == WSMsgType.BINARY:
                await connection.send_bytes(message.data)
        return connection

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    ready(runner.addresses[0][1])
    await asyncio.get_running_loop().create_future()


# --- wsproto, which does no I/O of its own


def extensions(deflates):
    from wsproto.extensions import PerMessageDeflate

    return [PerMessageDeflate()] if deflates else []


def wsproto_events(connection, stream):
    """What comes, until both sides have closed."""
    from wsproto.events import CloseConnection

    while True:
        for event in connection.events():
            yield event
            if isinstance(event, CloseConnection):
                return
        data = stream.recv(65_536)
        connection.receive_data(data or None)
        if not data:
            return


def wsproto_message(events, connection, stream):
    from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

    parts = []
    for event in events:
        if isinstance(event, Ping):
            stream.sendall(connection.send(event.response()))
        elif isinstance(event, (TextMessage, BytesMessage)):
            parts.append(event.data)
            if event.message_finished:
                return ("" if isinstance(event, TextMessage) else b"").join(parts)
        elif isinstance(event, CloseConnection):
            return event
    return None


def wsproto_client(port, deflates):
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, CloseConnection, Message, Request

    stream = socket.create_connection(("127.0.0.1", port))
    connection = WSConnection(ConnectionType.CLIENT)
    stream.sendall(connection.send(Request(
        host=f"127.0.0.1:{port}", target="/", subprotocols=["b", "a"], extensions=extensions(deflates))))
    events = wsproto_events(connection, stream)
    accepted = next(events)
    check(isinstance(accepted, AcceptConnection) and accepted.subprotocol == "a", f"handshake {accepted}")
    check(bool(accepted.extensions) == deflates, "compression")
    for message in MESSAGES:
        stream.sendall(connection.send(Message(message)))
        check(wsproto_message(events, connection, stream) == message, "echo")
    for index, part in enumerate(["in ", "three ", "fragments"]):
        stream.sendall(connection.send(Message(part, message_finished=index == 2)))
    check(wsproto_message(events, connection, stream) == "in three fragments", "fragments")
    stream.sendall(connection.send(CloseConnection(3001, "done")))
    closed = wsproto_message(events, connection, stream)
    check(isinstance(closed, CloseConnection) and closed.code == 3001, f"close {closed}")


def wsproto_serve(stream, deflates):
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, CloseConnection, Message

    with stream:
        connection = WSConnection(ConnectionType.SERVER)
        events = wsproto_events(connection, stream)
        next(events)
        stream.sendall(connection.send(AcceptConnection(subprotocol="a", extensions=extensions(deflates))))
        while True:
            message = wsproto_message(events, connection, stream)
            if message is None:
                return
            if isinstance(message, CloseConnection):
                stream.sendall(connection.send(message.response()))
                return
            if message == "please close":
                stream.sendall(connection.send(CloseConnection(4001, "as you wish")))
                for _ in events:
                    pass
                return
            stream.sendall(connection.send(Message(message)))


def wsproto_server(deflates, ready):
    listener = socket.create_server(("127.0.0.1", 0))
    ready(listener.getsockname()[1])
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=wsproto_serve, args=(stream, deflates), daemon=True).start()


def ready(port):
    print(port, flush=True)


def end_with_input():
    sys.stdin.read()
    os._exit(0)


def main():
    role, library, *rest = sys.argv[1:]
    deflates = rest[-1] == "deflate"
    if role == "client":
        run = {"websockets": websockets_client, "aiohttp": aiohttp_client, "wsproto": wsproto_client}[library]
        result = run(int(rest[0]), deflates)
    else:
        threading.Thread(target=end_with_input, daemon=True).start()
        run = {"websockets": websockets_server, "aiohttp": aiohttp_server, "wsproto": wsproto_server}[library]
        result = run(deflates, ready)
    if asyncio.iscoroutine(result):
        asyncio.run(result)


main()
