// SPDX-License-Identifier: Apache-2.0

/// One of the ways of authentication that an answer offers: a scheme and its parameters.
///
/// - Source: RFC 9110 §11.3. A list in lists: `Digest realm="a", nonce="b", Basic realm="c"`.
struct AuthChallenge: Sendable, Hashable {
    /// In lower case.
    let scheme: String
    private var parameters: [String: String] = [:]

    /// The parameter of a name in lower case; the first if there are several.
    subscript(name: String) -> String? { self.parameters[name] }

    /// Every challenge of every line, in order.
    static func all(_ lines: [String]) -> [AuthChallenge] {
        var challenges: [AuthChallenge] = []
        for member in FieldList.members(lines) {
            let (scheme, rest) = self.begun(member)
            if let scheme { challenges.append(AuthChallenge(scheme: scheme)) }
            guard let rest, !challenges.isEmpty, let equals = rest.firstIndex(of: "=") else { continue }
            let name = FieldList.trimmed(rest[..<equals]).lowercased()
            let value = FieldList.unquoted(FieldList.trimmed(rest[rest.index(after: equals)...]))
            let last = challenges.count - 1
            if challenges[last].parameters[name] == nil { challenges[last].parameters[name] = value }
        }
        return challenges
    }

    private init(scheme: String) {
        self.scheme = scheme
    }

    /// A member that begins with a token and a space, and goes on with anything but `=`, begins a challenge.
    private static func begun(_ member: Substring) -> (scheme: String?, rest: Substring?) {
        let token = member.prefix { $0 != " " && $0 != "\t" && $0 != "=" && $0 != "\"" }
        let rest = FieldList.trimmed(member[token.endIndex...])
        if rest.isEmpty { return (token.lowercased(), nil) }
        if rest.first == "=" { return (nil, member) }
        return (token.lowercased(), rest)
    }
}
