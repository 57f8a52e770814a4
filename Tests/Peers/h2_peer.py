# SPDX-License-Identifier: Apache-2.0
"""h2_peer.py KEY CERTIFICATE: an HTTP/2 server of python-hyper's h2 that refuses streams as it is told, on a free port, which it prints.

What it does goes by the path, of which the last part is a name to count by:

/refuse/N/NAME   REFUSED_STREAM for the first N requests of the name, then 200
/reset/CODE/NAME RST_STREAM with an error code, always
/leave/NAME      the first time GOAWAY that says the stream was not looked at, then 200
/drop/NAME       GOAWAY that says the stream was looked at, and the end of the connection, always
/silent/NAME     nothing, always; what the client resets is counted by the name reset-NAME
/count/NAME      how many requests with the name have come, without this one
anything else    200
"""

import collections
import signal
import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from h2.errors import ErrorCodes

seen = collections.Counter()
lock = threading.Lock()


def answer(connection, stream, text):
    body = text.encode()
    connection.send_headers(stream, [(":status", "200"), ("content-length", str(len(body)))])
    connection.send_data(stream, body, end_stream=True)


def begun(connection, event):
    """Does what the path says as soon as a request's head is there; returns False if the connection is to end."""
    parts = dict(event.headers)[b":path"].decode().split("?")[0].split("/")[1:]
    verb, name, stream = parts[0], parts[-1], event.stream_id
    if verb == "count":
        return True
    with lock:
        seen[name] += 1
        count = seen[name]
    if verb == "refuse" and count <= int(parts[1]):
        connection.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
    elif verb == "reset":
        connection.reset_stream(stream, int(parts[1]))
    elif verb == "leave" and count == 1:
        connection.close_connection(ErrorCodes.NO_ERROR, last_stream_id=max(0, stream - 2))
    elif verb == "drop":
        connection.close_connection(ErrorCodes.NO_ERROR, last_stream_id=stream)
        return False
    return True


def serve(raw, context):
    try:
        sock = context.wrap_socket(raw, server_side=True)
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        sock.sendall(connection.data_to_send())
        names, is_leaving = {}, False
        while data := sock.recv(65536):
            if is_leaving:
                # What comes after GOAWAY is read away, until the client ends the connection.
                continue
            goes_on = True
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    path = dict(event.headers)[b":path"].decode().split("/")[1:]
                    names[event.stream_id] = path
                    goes_on = begun(connection, event)
                    if connection.state_machine.state.name == "CLOSED":
                        is_leaving = True
                        break
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamReset):
                    seen[f"reset-{names[event.stream_id][-1]}"] += 1
                elif isinstance(event, h2.events.StreamEnded):
                    path = names[event.stream_id]
                    if path[0] == "silent":
                        continue
                    try:
                        answer(connection, event.stream_id, str(seen[path[-1]]) if path[0] == "count" else "ok")
                    except h2.exceptions.ProtocolError:
                        pass  # the stream was refused
            sock.sendall(connection.data_to_send())
            if not goes_on:
                break
        sock.close()
    except OSError:
        pass


def main():
    # Whoever started this may have blocked the signal by which it is to end.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    key, certificate = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=serve, args=(raw, context), daemon=True).start()


main()
