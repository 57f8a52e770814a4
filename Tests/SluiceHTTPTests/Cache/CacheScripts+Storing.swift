// SPDX-License-Identifier: Apache-2.0

extension CacheScript {
    /// What may be kept: RFC 9111 §3, and the directives of §5.2.2 that are about it.
    static let storing: [CacheScript] = [
        CacheScript(
            "§3 an answer with explicit freshness is kept",
            """
            GET / | < Cache-Control: max-age=60 | = origin
            GET / | = cache | = body body 1
            """),
        CacheScript(
            "§3 an answer without a word about freshness is kept, and confirmed before its use",
            """
            GET / | < ETag: "a" | = origin
            GET / | < 304 | = confirmed | = body body 1
            """),
        CacheScript(
            "§3 the key is the method and the target URI",
            """
            GET /a | < Cache-Control: max-age=60
            GET /b | = origin
            GET /a?x=1 | = origin
            GET /a | = cache
            """),
        CacheScript(
            "§2 an answer to POST is not reused",
            """
            POST / | < Cache-Control: max-age=60 | = origin
            GET / | = origin
            """),
        CacheScript(
            "§3 an answer to OPTIONS is not reused",
            """
            OPTIONS / | < Cache-Control: max-age=60 | = origin
            OPTIONS / | = origin
            """),
        CacheScript(
            "§5.2.2.5 no-store is not kept",
            """
            GET / | < Cache-Control: no-store, max-age=60 | = origin
            GET / | = origin
            """),
        CacheScript(
            "§5.2.2.5 no-store in any case is not kept",
            """
            GET / | < Cache-Control: NO-STORE, max-age=60
            GET / | = origin
            """),
        CacheScript(
            "§5.2.1.5 an answer to a request with no-store is not kept",
            """
            GET / | > Cache-Control: no-store | < Cache-Control: max-age=60
            GET / | = origin
            """),
        CacheScript(
            "§5.2.2.3 must-understand keeps a known status despite no-store",
            """
            GET / | < Cache-Control: must-understand, no-store, max-age=60
            GET / | = cache
            """),
        CacheScript(
            "§5.2.2.3 must-understand does not keep an unknown status",
            """
            GET / | < 299 | < Cache-Control: must-understand, max-age=60
            GET / | = origin
            """),
        CacheScript(
            "§5.2.2.7 private is kept by a private cache",
            """
            GET / | < Cache-Control: private, max-age=60
            GET / | = cache
            """),
        CacheScript(
            "§5.2.2.7 private is not kept by a shared cache", shared: true,
            """
            GET / | < Cache-Control: private, max-age=60
            GET / | = origin
            """),
        CacheScript(
            "§5.2.2.7 private with fields keeps the rest in a shared cache", shared: true,
            """
            GET / | < Cache-Control: private="X-User", max-age=60 | < X-User: ada | < X-Other: b | = X-User: ada
            GET / | = cache | = no X-User | = X-Other: b
            """),
        CacheScript(
            "§5.2.2.7 private with fields keeps all in a private cache",
            """
            GET / | < Cache-Control: private="X-User", max-age=60 | < X-User: ada
            GET / | = cache | = X-User: ada
            """),
        CacheScript(
            "§3.5 an answer to a request with Authorization is not kept by a shared cache", shared: true,
            """
            GET / | > Authorization: Bearer a | < Cache-Control: max-age=60
            GET / | > Authorization: Bearer a | = origin
            """),
        CacheScript(
            "§3.5 … unless it is public", shared: true,
            """
            GET / | > Authorization: Bearer a | < Cache-Control: public, max-age=60
            GET / | = cache
            """),
        CacheScript(
            "§3.5 … or must be revalidated", shared: true,
            """
            GET / | > Authorization: Bearer a | < Cache-Control: must-revalidate, max-age=60
            GET / | = cache
            """),
        CacheScript(
            "§3.5 … or has s-maxage", shared: true,
            """
            GET / | > Authorization: Bearer a | < Cache-Control: s-maxage=60
            GET / | = cache
            """),
        CacheScript(
            "§3.5 a private cache keeps answers to requests with Authorization, each user's apart",
            """
            GET / | > Authorization: Bearer a | < Cache-Control: max-age=60
            GET / | > Authorization: Bearer a | = cache | = body body 1
            GET / | > Authorization: Bearer b | < Cache-Control: max-age=60 | = origin | = body body 3
            GET / | = origin
            GET / | > Authorization: Bearer a | = cache | = body body 1
            """),
        CacheScript(
            "a private cache keeps the answers to different API keys apart",
            """
            GET / | > X-API-Key: a | < Cache-Control: max-age=60
            GET / | > X-API-Key: b | = origin
            """),
        CacheScript(
            "§3.4 a partial answer is not kept",
            """
            GET / | < 206 | < Content-Range: bytes 0-5/100 | < Cache-Control: max-age=60
            GET / | = origin
            """),
        CacheScript(
            "§3.3 a request for a part goes past the cache, and its answer is not kept",
            """
            GET / | < Cache-Control: max-age=60
            GET / | > Range: bytes=0-1 | < 206 | < Content-Range: bytes 0-1/6 | = origin | = 206
            GET / | = cache | = body body 1
            """),
        CacheScript(
            "§3.3 an answer that is shorter than announced is not kept",
            """
            GET / | < Cache-Control: max-age=60 | < Content-Length: 100
            GET / | = origin
            """),
        CacheScript(
            "§3.1 the fields of the connection are not kept",
            """
            GET / | < Cache-Control: max-age=60 | < Connection: X-Hop | < X-Hop: 1 | < Keep-Alive: timeout=5 | < X-End: 2
            GET / | = cache | = no Connection | = no X-Hop | = no Keep-Alive | = X-End: 2
            """),
        CacheScript(
            "§3.1 nor are those of a proxy's authentication",
            """
            GET / | < Cache-Control: max-age=60 | < Proxy-Authenticate: Basic | < Proxy-Authentication-Info: x | < Upgrade: h2c
            GET / | = cache | = no Proxy-Authenticate | = no Proxy-Authentication-Info | = no Upgrade
            """),
        CacheScript(
            "§3.1 Set-Cookie is kept like any other field",
            """
            GET / | < Cache-Control: max-age=60 | < Set-Cookie: a=b
            GET / | = cache | = Set-Cookie: a=b
            """),
        CacheScript(
            "§3.1 a request with a cookie is answered from what another brought",
            """
            GET / | < Cache-Control: max-age=60
            GET / | > Cookie: a=b | = cache
            """),
        CacheScript(
            "RFC 9110 §6.6.1 an answer without a date gets that of its arrival",
            """
            GET / | < Cache-Control: max-age=60 | < no Date
            +10 GET / | = cache | = Date: <-10> | = Age: 10
            """),
        CacheScript(
            "a stream of events is not kept",
            """
            GET / | < Cache-Control: max-age=60 | < Content-Type: text/event-stream
            GET / | = origin
            """),
        CacheScript(
            "a kept answer that was replaced by one that must not be kept is gone",
            """
            GET / | < Cache-Control: max-age=10, stale-if-error=100
            +11 GET / | < Cache-Control: no-store | = origin | = body body 2
            GET / | < lost | = failure
            """),
    ]

    /// Statuses, with and without explicit freshness: RFC 9111 §4.2.2, RFC 9110 §15.1.
    static let statuses: [CacheScript] =
        [
            200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 451, 499, 500, 501, 502,
            503, 599,
        ].map {
            CacheScript(
                "§3 \($0) with explicit freshness is kept",
                """
                GET / | < \($0) | < Cache-Control: max-age=60
                +59 GET / | = cache | = \($0)
                +1 GET / | = origin
                """)
        }
        + [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501].map {
            CacheScript(
                "§4.2.2 \($0) is fresh for a tenth of the time since its last change",
                """
                GET / | < \($0) | < Last-Modified: <-1000>
                +99 GET / | = cache | = \($0)
                +1 GET / | = origin
                """)
        }
        + [201, 202, 302, 303, 307, 400, 403, 429, 500, 502, 503, 504, 599].map {
            CacheScript(
                "§4.2.2 \($0) without explicit freshness is not reused",
                """
                GET / | < \($0) | < Last-Modified: <-100000>
                GET / | = origin
                """)
        }
        + [
            CacheScript(
                "§4.2.2 any status is, if it is public",
                """
                GET / | < 599 | < Last-Modified: <-1000> | < Cache-Control: public
                +99 GET / | = cache
                +1 GET / | = origin
                """)
        ]
}
