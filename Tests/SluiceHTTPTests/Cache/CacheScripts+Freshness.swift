// SPDX-License-Identifier: Apache-2.0

extension CacheScript {
    /// For how long an answer is fresh, and how old it is: RFC 9111 §4.2, §5.1, §5.2.2 and §5.3.
    static let freshness: [CacheScript] = [
        CacheScript(
            "§5.2.2.1 max-age is over when the age has reached it",
            """
            GET / | < Cache-Control: max-age=60
            +59 GET / | = cache | = Age: 59
            +1 GET / | = origin
            """),
        CacheScript(
            "§4.2.1 max-age counts, not Expires",
            """
            GET / | < Cache-Control: max-age=60 | < Expires: <-100>
            +59 GET / | = cache
            """),
        CacheScript(
            "§4.2.1 … also when Expires is later",
            """
            GET / | < Cache-Control: max-age=1 | < Expires: <3600>
            +2 GET / | = origin
            """),
        CacheScript(
            "§5.2.2.10 s-maxage counts in a shared cache", shared: true,
            """
            GET / | < Cache-Control: s-maxage=60, max-age=1
            +59 GET / | = cache
            +1 GET / | = origin
            """),
        CacheScript(
            "§5.2.2.10 s-maxage does not count in a private cache",
            """
            GET / | < Cache-Control: max-age=1, s-maxage=60
            +2 GET / | = origin
            """),
        CacheScript(
            "§5.3 Expires counts from Date",
            """
            GET / | < Expires: <60>
            +59 GET / | = cache
            +1 GET / | = origin
            """),
        CacheScript(
            "§5.3 Expires counts from Date even if the origin's clock is wrong",
            """
            GET / | < Date: <7200> | < Expires: <7260>
            +59 GET / | = cache
            +1 GET / | = origin
            """),
        CacheScript(
            "§5.3 Expires without Date counts from the arrival",
            """
            GET / | < no Date | < Expires: <60>
            +59 GET / | = cache
            +1 GET / | = origin
            """),
        CacheScript(
            "§5.3 Expires in the past is stale",
            """
            GET / | < Expires: <-1>
            GET / | = origin
            """),
        CacheScript(
            "§5.3 Expires of 0 is stale",
            """
            GET / | < Expires: 0 | < Last-Modified: <-100000>
            GET / | = origin
            """),
        CacheScript(
            "§5.3 Expires that is no date is stale",
            """
            GET / | < Expires: tomorrow | < Last-Modified: <-100000>
            GET / | = origin
            """),
        CacheScript(
            "§4.2.1 of two Expires the first counts",
            """
            GET / | < Expires: <1> | < Expires: <3600>
            +2 GET / | = origin
            """),
        CacheScript(
            "§4.2 the case of a date does not matter",
            """
            GET / | < Expires: THU, 18 AUG 2050 02:01:18 gmt
            GET / | = cache
            """),
        CacheScript(
            "§4.2 a date in another zone than GMT is none",
            """
            GET / | < Expires: Thu, 18 Aug 2050 02:01:18 UTC
            GET / | = origin
            """),
        CacheScript(
            "RFC 9110 §5.6.7 the two old forms of dates are read",
            """
            GET /1 | < Expires: Thursday, 18-Aug-50 02:01:18 GMT
            GET /1 | = cache
            GET /2 | < Expires: Thu Aug 18 02:01:18 2050
            GET /2 | = cache
            """),
        CacheScript(
            "§4.2.1 of two max-age the first counts, on one line or two",
            """
            GET /1 | < Cache-Control: max-age=1, max-age=60
            GET /2 | < Cache-Control: max-age=60 | < Cache-Control: max-age=1
            +2 GET /1 | = origin
            GET /2 | = cache
            """),
        CacheScript(
            "§5.2 a quoted number is read",
            """
            GET / | < Cache-Control: max-age="60"
            GET / | = cache
            """),
        CacheScript(
            "§5.2 a directive within a quoted string is none",
            """
            GET / | < Cache-Control: x="max-age=3600", max-age=1
            +2 GET / | = origin
            """),
        CacheScript(
            "§5.2 an unknown directive is ignored",
            """
            GET / | < Cache-Control: max-age=60, x-unknown, y="a, no-store"
            GET / | = cache
            """),
        CacheScript(
            "§4.2.1 what is no number of seconds makes the answer stale",
            """
            GET /1 | < Cache-Control: max-age=-60
            GET /2 | < Cache-Control: max-age=60.5
            GET /3 | < Cache-Control: max-age='60'
            GET /4 | < Cache-Control: max-age=a60
            GET /5 | < Cache-Control: max-age=60a
            GET /6 | < Cache-Control: max-age
            GET /7 | < Cache-Control: max-age= 60
            GET /1 | = origin
            GET /2 | = origin
            GET /3 | = origin
            GET /4 | = origin
            GET /5 | = origin
            GET /6 | = origin
            GET /7 | = origin
            """),
        CacheScript(
            "§1.2.2 more seconds than 32 bits hold are 2^31",
            """
            GET / | < Cache-Control: max-age=99999999999999999999999
            +2147483647 GET / | = cache
            +1 GET / | = origin
            """),
        CacheScript(
            "§5.2 zeros before a number do not matter",
            """
            GET / | < Cache-Control: max-age=0060
            +59 GET / | = cache
            """),
        CacheScript(
            "§5.2 names in any case, with empty members between",
            """
            GET / | < Cache-Control: ,, MaX-aGe=60 ,,
            +59 GET / | = cache
            """),
        CacheScript(
            "§4.2.3 an answer that comes with an age has that much less left",
            """
            GET / | < Cache-Control: max-age=60 | < Age: 50
            +9 GET / | = cache | = Age: 59
            +1 GET / | = origin
            """),
        CacheScript(
            "§4.2.3 … and one with an old date",
            """
            GET / | < Cache-Control: max-age=60 | < Date: <-50>
            +9 GET / | = cache | = Age: 59
            +1 GET / | = origin
            """),
        CacheScript(
            "§4.2.3 the larger of the two counts",
            """
            GET / | < Cache-Control: max-age=60 | < Date: <-50> | < Age: 10
            GET / | = cache | = Age: 50
            """),
        CacheScript(
            "§5.1 an age that is no number says nothing",
            """
            GET /1 | < Cache-Control: max-age=60 | < Age: abc
            GET /2 | < Cache-Control: max-age=60 | < Age: -7200
            GET /1 | = cache
            GET /2 | = cache
            """),
        CacheScript(
            "§5.1 of a list of ages the first counts",
            """
            GET /1 | < Cache-Control: max-age=60 | < Age: 0, 7200
            GET /2 | < Cache-Control: max-age=60 | < Age: 7200 | < Age: 0
            GET /1 | = cache
            GET /2 | = origin
            """),
        CacheScript(
            "§5.1 an age larger than 32 bits hold is old",
            """
            GET / | < Cache-Control: max-age=3600 | < Age: 99999999999999999999
            GET / | = origin
            """),
        CacheScript(
            "§4.2.3 a date in the future does not make an answer younger than it is",
            """
            GET / | < Cache-Control: max-age=60 | < Date: <3600>
            +59 GET / | = cache | = Age: 59
            +1 GET / | = origin
            """),
        CacheScript(
            "§4.2.2 the heuristic is bounded by a day",
            """
            GET / | < Last-Modified: <-100000000>
            +86399 GET / | = cache
            +1 GET / | = origin
            """),
        CacheScript(
            "§4.2.2 a last change in the future gives no freshness",
            """
            GET / | < Last-Modified: <1000>
            GET / | = origin
            """),
        CacheScript(
            "§5.2.2.4 no-cache is confirmed each time",
            """
            GET / | < Cache-Control: no-cache, max-age=60 | < ETag: "a"
            GET / | < 304 | = confirmed | = body body 1
            GET / | < 304 | = confirmed | = body body 1
            """),
        CacheScript(
            "§5.2.2.4 no-cache with fields reuses the rest",
            """
            GET / | < Cache-Control: no-cache="X-A, X-B", max-age=60 | < X-A: 1 | < X-B: 2 | < X-C: 3
            GET / | = cache | = no X-A | = no X-B | = X-C: 3
            """),
        CacheScript(
            "§5.4 Pragma in an answer means nothing",
            """
            GET / | < Cache-Control: max-age=60 | < Pragma: no-cache
            GET / | = cache
            """),
        CacheScript(
            "RFC 9213 §2 a field for other people's caches means nothing",
            """
            GET /1 | < CDN-Cache-Control: max-age=60 | < Cache-Control: max-age=1
            GET /2 | < CDN-Cache-Control: no-store | < Cache-Control: max-age=60
            +2 GET /1 | = origin
            GET /2 | = cache
            """),
        CacheScript(
            "§4.2.3 Date stays as it is, and Age says how old the answer is",
            """
            GET / | < Cache-Control: max-age=60 | = no Age
            +10 GET / | = cache | = Date: <-10> | = Age: 10
            """),
    ]

    /// What a request says: RFC 9111 §5.2.1.
    static let requests: [CacheScript] = [
        CacheScript(
            "§5.2.1.4 no-cache in a request asks the origin",
            """
            GET / | < Cache-Control: max-age=60 | < ETag: "a"
            GET / | > Cache-Control: no-cache | < 304 | = confirmed
            """),
        CacheScript(
            "§5.2.1.1 max-age=0 in a request asks the origin",
            """
            GET / | < Cache-Control: max-age=60
            GET / | > Cache-Control: max-age=0 | = origin
            """),
        CacheScript(
            "§5.2.1.1 max-age in a request refuses what is older",
            """
            GET / | < Cache-Control: max-age=60
            +10 GET / | > Cache-Control: max-age=10 | = cache
            +1 GET / | > Cache-Control: max-age=10 | = origin
            """),
        CacheScript(
            "§5.2.1.3 min-fresh wants so much to be left",
            """
            GET / | < Cache-Control: max-age=60
            +50 GET / | > Cache-Control: min-fresh=10 | = cache
            +1 GET / | > Cache-Control: min-fresh=10 | = origin
            """),
        CacheScript(
            "§5.2.1.2 max-stale takes what is so stale",
            """
            GET / | < Cache-Control: max-age=60
            +70 GET / | > Cache-Control: max-stale=10 | = cache | = Age: 70
            +1 GET / | > Cache-Control: max-stale=10 | = origin
            """),
        CacheScript(
            "§5.2.1.2 max-stale without a number takes anything",
            """
            GET / | < Cache-Control: max-age=60
            +100000 GET / | > Cache-Control: max-stale | = cache
            """),
        CacheScript(
            "§5.2.2.2 … but not what must be revalidated",
            """
            GET / | < Cache-Control: max-age=60, must-revalidate
            +61 GET / | > Cache-Control: max-stale | = origin
            """),
        CacheScript(
            "§5.2.2.8 … nor, in a shared cache, what proxies must revalidate", shared: true,
            """
            GET / | < Cache-Control: max-age=60, proxy-revalidate
            +61 GET / | > Cache-Control: max-stale | = origin
            """),
        CacheScript(
            "§5.2.2.8 … which means nothing to a private cache",
            """
            GET / | < Cache-Control: max-age=60, proxy-revalidate
            +61 GET / | > Cache-Control: max-stale | = cache
            """),
        CacheScript(
            "§5.2.1.7 only-if-cached is answered with 504 if nothing is kept",
            """
            GET / | > Cache-Control: only-if-cached | = cache | = 504
            """),
        CacheScript(
            "§5.2.1.7 … and with what is kept and fresh",
            """
            GET / | < Cache-Control: max-age=60
            GET / | > Cache-Control: only-if-cached | = cache | = 200 | = body body 1
            +60 GET / | > Cache-Control: only-if-cached | = cache | = 504
            """),
        CacheScript(
            "§5.4 other people's words in Cache-Control and Pragma are ignored",
            """
            GET / | > Cache-Control: nothing-to-see-here | > Pragma: foo | < Cache-Control: max-age=60
            GET / | > Cache-Control: nothing-to-see-here | > Pragma: foo | = cache
            """),
        CacheScript(
            "RFC 8246 §2 what is immutable is not asked for on a reload while it is fresh",
            """
            GET / | < Cache-Control: max-age=60, immutable
            GET / | > Cache-Control: max-age=0 | = cache
            GET / | > Cache-Control: no-cache | = origin
            +61 GET / | > Cache-Control: max-age=0 | = origin
            """),
    ]
}
