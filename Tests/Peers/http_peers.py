# SPDX-License-Identifier: Apache-2.0
"""Serves httpbin, and two parsers of multipart bodies, on a free port of loopback; prints the port and serves until it is ended.

/werkzeug and /python-multipart answer a form with what they read of it, as JSON: a list of [name, filename, type, content].
"""

import base64
import json
import logging
import signal
import sys

import python_multipart
from httpbin import app
from python_multipart.multipart import parse_options_header
from werkzeug.formparser import parse_form_data
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

# Whoever started this may have blocked the signal by which it is to end.
signal.pthread_sigmask(signal.SIG_SETMASK, [])
logging.disable(logging.CRITICAL)


def answer(start_response, parts):
    body = json.dumps(parts).encode()
    start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(body)))])
    return [body]


def encoded(content):
    return base64.b64encode(content).decode()


def with_werkzeug(environ, start_response):
    _, form, files = parse_form_data(environ)
    parts = [[name, None, None, encoded(value.encode())] for name, value in form.items(multi=True)]
    parts += [[name, file.filename, file.mimetype, encoded(file.read())] for name, file in files.items(multi=True)]
    return answer(start_response, parts)


def with_python_multipart(environ, start_response):
    parts = []

    def add(field):
        parts.append([field.field_name.decode(), None, None, encoded(field.value or b"")])

    def add_file(file):
        file.file_object.seek(0)
        content = file.file_object.read()
        parts.append([file.field_name.decode(), file.file_name.decode(), getattr(file, "content_type", None), encoded(content)])

    headers = {"Content-Type": environ["CONTENT_TYPE"].encode()}
    if environ.get("CONTENT_LENGTH"):
        headers["Content-Length"] = environ["CONTENT_LENGTH"].encode()
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length) if length else -1)
    parser = python_multipart.create_form_parser(headers, add, add_file)
    parser.write(body)
    parser.finalize()
    assert parse_options_header(environ["CONTENT_TYPE"])[0] == b"multipart/form-data"
    return answer(start_response, parts)


WSGIRequestHandler.protocol_version = "HTTP/1.1"
WSGIRequestHandler.log_request = lambda self, *arguments: None
application = DispatcherMiddleware(app, {"/werkzeug": with_werkzeug, "/python-multipart": with_python_multipart})
server = make_server("127.0.0.1", 0, application, threaded=True)
print(server.port, flush=True)
server.serve_forever()
