# SPDX-License-Identifier: Apache-2.0
"""Serves one of other people's programs on a free port, prints the port, and ends by SIGTERM or with its standard input.

Usage: serve.py httpbin | oidc | authlib
"""
import logging
import os
import signal
import sys
import threading

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def httpbin():
    from httpbin import app

    return app


def oidc():
    import oidc_provider_mock

    return oidc_provider_mock.app()


def authlib():
    """An authorization server of Authlib's: client credentials, code with PKCE, refresh tokens that rotate.

    A refresh token that comes a second time ends its whole family, as RFC 9700 wants it.
    """
    import secrets
    import time

    from authlib.integrations.flask_oauth2 import AuthorizationServer
    from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
    from authlib.oauth2.rfc6749.errors import InvalidGrantError
    from authlib.oauth2.rfc7636 import CodeChallenge
    from flask import Flask, jsonify, request

    app = Flask(__name__)
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"client_credentials": 3600, "authorization_code": 3600}
    lock = threading.Lock()
    codes, tokens, families = {}, {}, {}
    counts = {"token": 0}

    class Client(ClientMixin):
        redirect_uri = "http://127.0.0.1:1/callback"

        def __init__(self, name, method):
            self.name, self.method = name, method

        def get_client_id(self):
            return self.name

        def get_default_redirect_uri(self):
            return self.redirect_uri

        def get_allowed_scope(self, scope):
            return scope or ""

        def check_redirect_uri(self, uri):
            return uri == self.redirect_uri

        def check_client_secret(self, secret):
            return secrets.compare_digest(secret, "s3cret-of.the_client~")

        def check_endpoint_auth_method(self, method, endpoint):
            return method == self.method

        def check_response_type(self, response_type):
            return response_type == "code"

        def check_grant_type(self, grant_type):
            return True

    clients = {
        "basic": Client("basic", "client_secret_basic"),
        "post": Client("post", "client_secret_post"),
        "public": Client("public", "none"),
    }

    class Token(TokenMixin):
        def __init__(self, client, data, family):
            self.client, self.data, self.family, self.is_used = client, data, family, False

        def check_client(self, client):
            return self.client is client

        def get_scope(self):
            return self.data.get("scope", "")

        def get_expires_in(self):
            return self.data["expires_in"]

        def is_expired(self):
            return False

        def is_revoked(self):
            return self.family not in families

    class Code:
        def __init__(self, request):
            payload = request.payload
            self.client, self.redirect_uri, self.scope = request.client, payload.redirect_uri, payload.scope
            self.code_challenge = payload.data.get("code_challenge")
            self.code_challenge_method = payload.data.get("code_challenge_method")

        def get_redirect_uri(self):
            return self.redirect_uri

        def get_scope(self):
            return self.scope

    def save_token(data, request):
        with lock:
            family = getattr(request, "family", None) or secrets.token_hex(8)
            families.setdefault(family, time.time())
            token = Token(request.client, data, family)
            for key in ("access_token", "refresh_token"):
                if key in data:
                    tokens[data[key]] = token

    server = AuthorizationServer(app, query_client=clients.get, save_token=save_token)

    class CodeGrant(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]

        def save_authorization_code(self, code, request):
            codes[code] = Code(request)

        def query_authorization_code(self, code, client):
            found = codes.get(code)
            return found if found and found.client is client else None

        def delete_authorization_code(self, code):
            for key in [key for key, value in codes.items() if value is code]:
                del codes[key]

        def authenticate_user(self, code):
            return "ada"

    class RefreshGrant(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, text):
            with lock:
                token = tokens.get(text)
                if token is None or token.data.get("refresh_token") != text:
                    return None
                if token.is_used:
                    families.pop(token.family, None)
                if token.family not in families:
                    return None
                token.is_used = True
                self.request.family = token.family
                return token

        def authenticate_user(self, token):
            return "ada"

        def revoke_old_credential(self, token):
            tokens.pop(token.data["access_token"], None)

    server.register_grant(CodeGrant, [CodeChallenge(required=True)])
    server.register_grant(RefreshGrant)
    server.register_grant(grants.ClientCredentialsGrant)
    grants.ClientCredentialsGrant.TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    @app.get("/authorize")
    def authorize():
        grant = server.get_consent_grant(end_user="ada")
        return server.create_authorization_response(grant=grant, grant_user="ada")

    @app.post("/token")
    def token():
        counts["token"] += 1
        return server.create_token_response()

    @app.get("/resource")
    def resource():
        token = tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if token is None or token.is_revoked():
            return jsonify(error="invalid_token"), 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return jsonify(client=token.client.name)

    @app.post("/forget")
    def forget():
        """Takes back every access token, as a server does whose memory was lost; refresh tokens stay."""
        with lock:
            for text in [text for text, token in tokens.items() if token.data["access_token"] == text]:
                del tokens[text]
        return jsonify(counts)

    return app


def main():
    from werkzeug.serving import make_server

    # Whoever started this may have blocked the signal by which it is to end.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, globals()[sys.argv[1]](), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
