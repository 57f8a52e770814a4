// SPDX-License-Identifier: Apache-2.0

/// Which commands can be sent on a connection that everybody shares.
///
/// Each is answered once, in its turn, and leaves the connection as it was: otherwise one caller would be given another's answer,
/// another's database, or no answer at all.
enum SharedConnection {
    /// Answered by pushes or not at all, or changing what later commands on the connection mean.
    private static let changing: Set<String> = [
        "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR", "SYNC",
        "PSYNC",
        "MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "SELECT", "HELLO", "AUTH", "RESET", "QUIT", "READONLY",
        "READWRITE",
        "ASKING",
    ]
    /// Answered when somebody else does something, with everything behind it waiting.
    private static let blocking: Set<String> = [
        "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "WAIT", "WAITAOF",
    ]
    private static let changingOfClient: [String] = ["REPLY", "TRACKING", "CACHING"]
    private static let scripts: Set<String> = ["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"]

    /// Checks a command.
    ///
    /// - Returns: Whether it is a script, which may fail after it has written.
    /// - Throws: ``RedisError`` of kind `notShareable`.
    static func check(_ name: String, _ arguments: [RedisArgument]) throws(RedisError) -> Bool {
        let word = name.uppercased()
        var isChanging = self.changing.contains(word)
        var isBlocking = self.blocking.contains(word)
        switch word {
        case "CLIENT": isChanging = self.changingOfClient.contains { arguments.first?.isWord($0) == true }
        case "SCRIPT": isChanging = arguments.first?.isWord("DEBUG") == true
        case "XREAD", "XREADGROUP":
            // Options come before the names of streams, which may be any word.
            let options = arguments.prefix { !$0.isWord("STREAMS") }
            isBlocking = options.contains { $0.isWord("BLOCK") }
        default: break
        }
        if isChanging {
            throw RedisError(
                .notShareable, message: "\(word) would change the connection for everybody who shares it", hasRun: false
            )
        }
        if isBlocking {
            throw RedisError(
                .notShareable, message: "\(word) would hold up everybody who shares the connection", hasRun: false)
        }
        return self.scripts.contains(word)
    }
}
