// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@testable import SluiceRedis

@Suite("Redis URLs, arguments and errors", .timeLimit(.minutes(5)))
struct RedisURLTests {
    @Test("a URL's parts are taken apart, the password decoded")
    func parts() throws {
        let url = try RedisURL("redis://app:p%40ss@cache.example.org:7000/3")
        #expect(url.user == "app" && url.password?.reveal() == "p@ss" && url.host == "cache.example.org")
        #expect(url.port == 7_000 && url.database == 3 && !url.isSecure)
        let short = try RedisURL("rediss://[::1]")
        #expect(short.isSecure && short.host == "::1" && short.port == 6_379 && short.database == 0)
        #expect(try RedisURL("redis://:secret@localhost").password?.reveal() == "secret")
        #expect("\(try RedisURL("redis://[::1]:1/2"))" == "redis://[::1]:1/2")
    }

    @Test(
        "what is no such URL is refused without being repeated",
        arguments: [
            "", "localhost", "http://hunter2/", "redis://", "redis:///hunter2", "redis://u:hunter2@h/x",
            "redis://u:hunter2@h/-1",
            "redis://u:hunter2@h:0", "redis://u:hunter2@h:99999", "redis://u:hunter2@h/0?x=hunter2", "redis://u@h",
            "redis://a b",
        ])
    func refused(_ url: String) throws {
        let error = try #require(throws: RedisError.self) { try RedisURL(url) }
        #expect(error.kind == .configuration && error.hasRun == false && error.retryAdvice == .never)
        #expect(!"\(error)".contains("hunter2"))
    }

    @Test("no description shows a password or an argument")
    func redacted() async throws {
        let redis = try Redis("redis://app:hunter2@localhost")
        var dumped = ""
        dump(redis.target, to: &dumped)
        for text in ["\(redis)", "\(redis.target)", String(reflecting: redis.target), dumped] {
            #expect(!text.contains("hunter2") && !text.isEmpty)
        }
        #expect(!"\(RedisArgument("hunter2"))".contains("hunter2"))
        let error = RedisError(reply: "ERR unknown command 'ECHOO', with args beginning with: 'hunter2' ")
        #expect(error.message == "ERR unknown command 'ECHOO'" && error.code == "ERR")
        #expect(RedisError(reply: String(repeating: "x", count: 9_999) + "\n").message.count == 300)
        await redis.close()
    }

    @Test(
        "commands that would change or block the shared connection are refused",
        arguments: [
            ("subscribe", []), ("MONITOR", []), ("MULTI", []), ("Select", ["1"]), ("HELLO", ["2"]), ("RESET", []),
            ("client", ["reply", "OFF"]), ("CLIENT", ["Tracking", "ON"]), ("BLPOP", ["a", "0"]), ("WAIT", ["1", "0"]),
            ("XREAD", ["COUNT", "1", "block", "0", "STREAMS", "s", "0"]), ("SCRIPT", ["DEBUG", "YES"]),
        ] as [(String, [RedisArgument])])
    func notShareable(_ name: String, _ arguments: [RedisArgument]) {
        #expect(throws: RedisError.self) { try SharedConnection.check(name, arguments) }
    }

    @Test("others are not, whatever their arguments say")
    func shareable() throws {
        #expect(try !SharedConnection.check("GET", ["MULTI"]))
        #expect(try !SharedConnection.check("CLIENT", ["ID"]))
        #expect(try !SharedConnection.check("XREAD", ["STREAMS", "BLOCK", "0"]))
        #expect(try SharedConnection.check("evalsha", ["x", 0]))
    }

    @Test("an error says whether the command has run, and a script's word for that is not taken")
    func hasRun() {
        let loading = RedisError(reply: "LOADING Redis is loading the dataset in memory")
        #expect(loading.answering(isScript: false).hasRun == false)
        #expect(loading.answering(isScript: false).retryAdvice == .always(after: nil))
        #expect(loading.answering(isScript: true).hasRun == true)
        #expect(loading.answering(isScript: true).retryAdvice == .ifIdempotent(after: nil))
        #expect(RedisError(reply: "NOSCRIPT No matching script.").answering(isScript: true).hasRun == false)
        #expect(RedisError(reply: "WRONGTYPE x").answering(isScript: false).hasRun == true)
        #expect(RedisError(reply: "WRONGTYPE x").retryAdvice == .never)
    }
}
