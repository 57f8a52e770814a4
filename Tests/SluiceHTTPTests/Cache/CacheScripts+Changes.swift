// SPDX-License-Identifier: Apache-2.0

extension CacheScript {
    /// What drops a stored answer: RFC 9111 §4.4.
    static let changes: [CacheScript] =
        ["POST", "PUT", "PATCH", "DELETE", "M-SEARCH"].flatMap { method in
            [
                CacheScript(
                    "§4.4 \(method) that succeeds drops what is kept",
                    """
                    GET / | < Cache-Control: max-age=60
                    \(method) / | = origin
                    GET / | = origin
                    """),
                CacheScript(
                    "§4.4 \(method) that is redirected drops it too",
                    """
                    GET / | < Cache-Control: max-age=60
                    \(method) / | < 303 | < Location: /else
                    GET / | = origin
                    """),
                CacheScript(
                    "§4.4 \(method) that fails drops nothing",
                    """
                    GET / | < Cache-Control: max-age=60
                    \(method) / | < 400
                    \(method) / | < 500
                    GET / | = cache
                    """),
                CacheScript(
                    "\(method) whose answer was lost may have succeeded, so it drops it",
                    """
                    GET / | < Cache-Control: max-age=60
                    \(method) / | < lost | = failure
                    GET / | = origin
                    """),
            ]
        }
        + ["OPTIONS", "TRACE", "HEAD"].map { method in
            CacheScript(
                "§4.4 \(method) is safe and drops nothing",
                """
                GET / | < Cache-Control: max-age=60
                \(method) /
                GET / | = cache
                """)
        }
        + [
            CacheScript(
                "§4.4 a change drops every variant, and other URIs stay",
                """
                GET /a | > Foo: 1 | < Cache-Control: max-age=60 | < Vary: Foo
                GET /a | > Foo: 2 | < Cache-Control: max-age=60 | < Vary: Foo
                GET /b | < Cache-Control: max-age=60
                POST /a
                GET /a | > Foo: 1 | = origin
                GET /a | > Foo: 2 | = origin
                GET /b | = cache
                """),
            CacheScript(
                "§4.4 a change by one user drops what is kept for another",
                """
                GET / | > Authorization: Bearer a | < Cache-Control: max-age=60
                POST / | > Authorization: Bearer b
                GET / | > Authorization: Bearer a | = origin
                """),
            CacheScript(
                "§4.4 Location and Content-Location of the same origin are dropped",
                """
                GET /a | < Cache-Control: max-age=60
                GET /b | < Cache-Control: max-age=60
                GET /c | < Cache-Control: max-age=60
                POST /p | < 201 | < Location: /a | < Content-Location: http://ORIGIN.example:80/b
                GET /a | = origin
                GET /b | = origin
                GET /c | = cache
                """),
            CacheScript(
                "§4.4 … and of another origin are not",
                """
                GET /a | < Cache-Control: max-age=60
                POST /p | < 201 | < Location: http://other.example/a | < Content-Location: https://origin.example/a
                GET /a | = cache
                """),
        ]

    /// Stale answers: RFC 9111 §4.2.4 and RFC 5861.
    static let stale: [CacheScript] = [
        CacheScript(
            "RFC 5861 §4 stale-if-error bridges a lost connection",
            """
            GET / | < Cache-Control: max-age=10, stale-if-error=20
            +29 GET / | < lost | = body body 1 | = Age: 29
            +1 GET / | < lost | = failure
            """),
        CacheScript(
            "RFC 5861 §4 … and a server that fails",
            """
            GET / | < Cache-Control: max-age=10, stale-if-error=20
            +11 GET / | < 500 | = 200 | = body body 1
            GET / | < 502 | = 200 | = body body 1
            GET / | < 503 | = 200 | = body body 1
            GET / | < 504 | = 200 | = body body 1
            """),
        CacheScript(
            "RFC 5861 §4 … but not one that answers",
            """
            GET / | < Cache-Control: max-age=10, stale-if-error=20
            +11 GET / | < 404 | = 404
            GET / | < 501 | = 501
            """),
        CacheScript(
            "RFC 5861 §4 a request may allow it too",
            """
            GET / | < Cache-Control: max-age=10
            +11 GET / | > Cache-Control: stale-if-error=20 | < lost | = body body 1
            GET / | < lost | = failure
            """),
        CacheScript(
            "§4.2.4 without it a failure is a failure",
            """
            GET / | < Cache-Control: max-age=10
            +11 GET / | < 503 | = 503
            GET / | < lost | = failure
            """),
        CacheScript(
            "§5.2.2.2 must-revalidate forbids it",
            """
            GET / | < Cache-Control: max-age=10, stale-if-error=20, must-revalidate
            +11 GET / | < lost | = failure
            """),
        CacheScript(
            "§5.2.2.8 proxy-revalidate forbids it to a shared cache", shared: true,
            """
            GET / | < Cache-Control: max-age=10, stale-if-error=20, proxy-revalidate
            +11 GET / | < lost | = failure
            """),
        CacheScript(
            "§5.2.2.10 and so does s-maxage", shared: true,
            """
            GET / | < Cache-Control: s-maxage=10, stale-if-error=20
            +11 GET / | < lost | = failure
            """),
        CacheScript(
            "§5.2.2.4 no-cache forbids it",
            """
            GET / | < Cache-Control: max-age=10, stale-if-error=20, no-cache
            +11 GET / | < lost | = failure
            """),
        CacheScript(
            "RFC 5861 §3 after stale-while-revalidate an answer is waited for",
            """
            GET / | < Cache-Control: max-age=10, stale-while-revalidate=20
            +30 GET / | = origin | = body body 2
            """),
        CacheScript(
            "RFC 5861 §3 stale-while-revalidate is not for who wants a fresh one",
            """
            GET / | < Cache-Control: max-age=10, stale-while-revalidate=20
            +11 GET / | > Cache-Control: max-age=10 | = origin
            """),
        CacheScript(
            "§5.2.2.2 nor for what must be revalidated",
            """
            GET / | < Cache-Control: max-age=10, stale-while-revalidate=20, must-revalidate
            +11 GET / | = origin
            """),
    ]
}
