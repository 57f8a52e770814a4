// SPDX-License-Identifier: Apache-2.0

extension CacheScript {
    /// Validators, conditions and updates: RFC 9111 §4.3.
    static let validation: [CacheScript] = [
        CacheScript(
            "§4.3.1 what is stale is asked for by its tag",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: "a"
            +2 GET / | < 304 | = asked If-None-Match: "a" | = confirmed | = body body 1
            """),
        CacheScript(
            "§4.3.1 … by a weak tag too",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: W/"a"
            +2 GET / | < 304 | < ETag: W/"a" | = asked If-None-Match: W/"a" | = confirmed
            """),
        CacheScript(
            "§4.3.1 … and by its last change",
            """
            GET / | < Cache-Control: max-age=1 | < Last-Modified: Mon, 31 Dec 2029 00:00:00 GMT
            +2 GET / | < 304 | = asked If-Modified-Since: Mon, 31 Dec 2029 00:00:00 GMT | = confirmed
            """),
        CacheScript(
            "§4.3.1 what has no validator is asked for without condition",
            """
            GET / | < Cache-Control: max-age=1
            +2 GET / | = origin | = asked no If-None-Match | = asked no If-Modified-Since | = body body 2
            """),
        CacheScript(
            "§4.3.3 a full answer replaces what is stored",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: "a"
            +2 GET / | < Cache-Control: max-age=60 | < ETag: "b" | = body body 2
            GET / | = cache | = body body 2 | = ETag: "b"
            """),
        CacheScript(
            "§4.3.4 a 304 makes the stored answer fresh again",
            """
            GET / | < Cache-Control: max-age=10 | < ETag: "a"
            +11 GET / | < 304 | < Cache-Control: max-age=10 | = confirmed | = Age: 0
            +9 GET / | = cache | = body body 1 | = Age: 9
            +1 GET / | = origin
            """),
        CacheScript(
            "§3.2 a 304's fields replace those stored, now and later",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: "a" | < X-A: 1 | < X-B: 1 | < Content-Type: text/plain
            +2 GET / | < 304 | < Cache-Control: max-age=60 | < ETag: "a" | < X-A: 2 | < Content-Type: text/html | = X-A: 2 | = X-B: 1
            GET / | = cache | = X-A: 2 | = X-B: 1 | = Content-Type: text/html | = body body 1
            """),
        CacheScript(
            "§3.2 … all lines of them",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: "a" | < X-A: 1 | < X-A: 2
            +2 GET / | < 304 | < Cache-Control: max-age=60 | < X-A: 3 | < X-A: 4 | = X-A: 3, 4
            """),
        CacheScript(
            "§3.2 … but not the length of the body, nor the fields of the connection",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: "a" | < Content-Length: 6
            +2 GET / | < 304 | < Content-Length: 0 | < Cache-Control: max-age=60 | < Connection: close | = Content-Length: 6
            GET / | = cache | = Content-Length: 6 | = no Connection | = body body 1
            """),
        CacheScript(
            "§4.3.4 a 304 with another tag is not about what is stored, so the whole answer is asked for",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: "a"
            +2 GET / | < 304 | < ETag: "z" | = asked no If-None-Match | = 304
            """),
        CacheScript(
            "§4.3.2 a client that has what is fresh is told so",
            """
            GET / | < Cache-Control: max-age=60 | < ETag: "a" | < Content-Type: text/plain
            GET / | > If-None-Match: "a" | = cache | = 304 | = ETag: "a" | = no Content-Type | = empty
            GET / | > If-None-Match: "x", W/"a" | = cache | = 304
            GET / | > If-None-Match: "x" | = cache | = 200 | = body body 1
            GET / | > If-None-Match: * | = cache | = 304
            """),
        CacheScript(
            "§4.3.2 … by date too",
            """
            GET / | < Cache-Control: max-age=60 | < Last-Modified: Mon, 31 Dec 2029 00:00:00 GMT
            GET / | > If-Modified-Since: Mon, 31 Dec 2029 00:00:00 GMT | = cache | = 304
            GET / | > If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT | = cache | = 304
            GET / | > If-Modified-Since: Sun, 30 Dec 2029 00:00:00 GMT | = cache | = 200
            """),
        CacheScript(
            "RFC 9110 §13.1.3 a tag counts, not the date beside it",
            """
            GET / | < Cache-Control: max-age=60 | < ETag: "a" | < Last-Modified: Mon, 31 Dec 2029 00:00:00 GMT
            GET / | > If-None-Match: "x" | > If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT | = cache | = 200
            GET / | > If-None-Match: "a" | > If-Modified-Since: Sun, 30 Dec 2029 00:00:00 GMT | = cache | = 304
            """),
        CacheScript(
            "§4.3.2 a condition of the client goes to the origin if nothing is kept, and its 304 back",
            """
            GET / | > If-None-Match: "a" | < 304 | = asked If-None-Match: "a" | = 304
            GET / | = origin
            """),
        CacheScript(
            "§4.3.2 a client's condition on what is stale is judged on what the origin confirms",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: "a"
            +2 GET / | > If-None-Match: "x" | < 304 | < Cache-Control: max-age=1 | = asked If-None-Match: "a" | = 200 | = body body 1
            +2 GET / | > If-None-Match: "a" | < 304 | < Cache-Control: max-age=60 | = 304
            GET / | = cache | = 200 | = body body 1
            """),
        CacheScript(
            "§4.3.2 If-Match and If-Unmodified-Since are the origin's to judge",
            """
            GET / | < Cache-Control: max-age=60 | < ETag: "a"
            GET / | > If-Match: "a" | = origin
            GET / | > If-Unmodified-Since: <0> | = origin
            GET / | > If-Range: "a" | > Range: bytes=0-1 | = origin
            """),
        CacheScript(
            "§4.3.3 an error is passed on, and what is stored stays",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: "a"
            +2 GET / | < 503 | = origin | = 503
            GET / | < 304 | = confirmed | = body body 1
            """),
        CacheScript(
            "§4 a HEAD is answered from what a GET brought",
            """
            GET / | < Cache-Control: max-age=60 | < X-A: 1
            HEAD / | = cache | = 200 | = X-A: 1 | = empty
            """),
        CacheScript(
            "§2 a GET is not answered from what a HEAD brought",
            """
            HEAD / | < Cache-Control: max-age=60 | = origin
            GET / | = origin | = body body 2
            """),
        CacheScript(
            "§4.3.5 the answer to a HEAD updates what is stored",
            """
            GET / | < Cache-Control: max-age=1 | < ETag: "a" | < X-A: 1 | < X-B: 1
            +2 HEAD / | < Cache-Control: max-age=60 | < ETag: "a" | < X-A: 2 | = origin
            GET / | = cache | = X-A: 2 | = X-B: 1 | = body body 1
            """),
        CacheScript(
            "§4.3.5 … and tells that it is another",
            """
            GET /1 | < Cache-Control: max-age=60 | < ETag: "a"
            HEAD /1 | > Cache-Control: no-cache | < ETag: "b" | = origin
            GET /1 | < 304 | = confirmed
            GET /2 | < Cache-Control: max-age=60 | < Content-Length: 6
            HEAD /2 | > Cache-Control: no-cache | < Content-Length: 7 | = origin
            GET /2 | = origin
            """),
        CacheScript(
            "§4.3.5 an error in answer to a HEAD changes nothing",
            """
            GET / | < Cache-Control: max-age=60
            HEAD / | > Cache-Control: no-cache | < 410 | = origin | = 410
            GET / | = cache | = body body 1
            """),
    ]

    /// Answers that depend on more than the URI: RFC 9111 §4.1.
    static let varying: [CacheScript] = [
        CacheScript(
            "§4.1 an answer that varies is for requests with the same fields",
            """
            GET / | > Foo: 1 | < Cache-Control: max-age=60 | < Vary: Foo
            GET / | > Foo: 1 | = cache
            GET / | > Foo: 2 | = origin
            GET / | = origin
            """),
        CacheScript(
            "§4.1 several are kept side by side",
            """
            GET / | > Foo: 1 | < Cache-Control: max-age=60 | < Vary: Foo
            GET / | > Foo: 2 | < Cache-Control: max-age=60 | < Vary: Foo
            GET / | < Cache-Control: max-age=60 | < Vary: Foo
            GET / | > Foo: 1 | = cache | = body body 1
            GET / | > Foo: 2 | = cache | = body body 2
            GET / | = cache | = body body 3
            """),
        CacheScript(
            "§4.1 fields that it does not vary by do not matter, nor does the case of names",
            """
            GET / | > Foo: 1 | > Other: 2 | < Cache-Control: max-age=60 | < Vary: fOO
            GET / | > Foo: 1 | > Other: 3 | = cache
            """),
        CacheScript(
            "§4.1 all fields count, in one line or several, in any order",
            """
            GET / | > Foo: 1 | > Bar: 2 | < Cache-Control: max-age=60 | < Vary: Foo | < Vary: Bar
            GET / | > Bar: 2 | > Foo: 1 | = cache
            GET / | > Foo: 1 | > Bar: 3 | = origin
            GET / | > Foo: 1 | = origin
            """),
        CacheScript(
            "§4.1 lines are one list, and space around members does not count",
            """
            GET / | > Foo: 1, 2 | < Cache-Control: max-age=60 | < Vary: Foo
            GET / | > Foo: 1 ,2 | = cache
            GET / | > Foo: 1 | > Foo: 2 | = cache
            GET / | > Foo: 2, 1 | = origin
            """),
        CacheScript(
            "§4.1 absent is another thing than empty",
            """
            GET / | < Cache-Control: max-age=60 | < Vary: Foo
            GET / | > Foo: | = origin
            """),
        CacheScript(
            "§4.1 * matches nothing, wherever it stands",
            """
            GET /1 | > Foo: 1 | < Cache-Control: max-age=60 | < Vary: *
            GET /2 | > Foo: 1 | < Cache-Control: max-age=60 | < Vary: Foo, *
            GET /3 | > Foo: 1 | < Cache-Control: max-age=60 | < Vary: , | < Vary: *
            GET /1 | > Foo: 1 | = origin
            GET /2 | > Foo: 1 | = origin
            GET /3 | > Foo: 1 | = origin
            """),
        CacheScript(
            "§4.1 of answers with different Vary the newest that matches counts",
            """
            GET / | > Foo: 1 | > Bar: 1 | < Cache-Control: max-age=60 | < Vary: Foo
            +1 GET / | > Foo: 2 | > Bar: 1 | < Cache-Control: max-age=60 | < Vary: Bar
            GET / | > Foo: 1 | > Bar: 1 | = cache | = body body 2
            GET / | > Foo: 1 | > Bar: 2 | = cache | = body body 1
            """),
        CacheScript(
            "§4.3.1 a stale variant is confirmed by itself",
            """
            GET / | > Foo: 1 | < Cache-Control: max-age=1 | < Vary: Foo | < ETag: "1"
            GET / | > Foo: 2 | < Cache-Control: max-age=1 | < Vary: Foo | < ETag: "2"
            +2 GET / | > Foo: 1 | < 304 | < Cache-Control: max-age=60 | = asked If-None-Match: "1" | = asked Foo: 1 | = body body 1
            GET / | > Foo: 1 | = cache | = body body 1
            GET / | > Foo: 2 | < 304 | = asked If-None-Match: "2" | = body body 2
            """),
    ]
}
