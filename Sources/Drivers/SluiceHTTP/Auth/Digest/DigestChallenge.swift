// SPDX-License-Identifier: Apache-2.0
import Crypto
import HTTPTypes
import Sluice

/// What a server wants a digest of.
///
/// - Source: RFC 7616 §3.3.
struct DigestChallenge: Sendable, Hashable {
    /// The algorithms, the strongest first. (SHA-512-256 is in no library we have.)
    enum Algorithm: String, CaseIterable, Sendable, Hashable {
        case sha256Session = "SHA-256-sess"
        case sha256 = "SHA-256"
        case md5Session = "MD5-sess"
        case md5 = "MD5"

        var isSession: Bool { self == .sha256Session || self == .md5Session }

        /// The digest of `text`, in hexadecimal digits.
        func hash(_ text: String) -> String {
            switch self {
            case .sha256, .sha256Session: Hexadecimal.text(SHA256.hash(data: Array(text.utf8)))
            case .md5, .md5Session: Hexadecimal.text(Insecure.MD5.hash(data: Array(text.utf8)))
            }
        }
    }

    let realm: String
    var nonce: String
    let opaque: String?
    let algorithm: Algorithm
    /// The name by which the server called the algorithm, or nil if it named none.
    let algorithmName: String?
    /// Whether the digest covers a nonce of ours and a count; servers of before 1999 do not know that.
    let hasQuality: Bool
    let isStale: Bool
    let wantsUserHash: Bool

    /// The strongest challenge that we can answer, of all those in an answer.
    init?(_ fields: HTTPFields) {
        let challenges = AuthChallenge.all(fields[values: .wwwAuthenticate]).compactMap(Self.init)
        let order = Algorithm.allCases
        guard
            let best = challenges.min(by: {
                order.firstIndex(of: $0.algorithm) ?? 0 < order.firstIndex(of: $1.algorithm) ?? 0
            })
        else { return nil }
        self = best
    }

    private init?(_ challenge: AuthChallenge) {
        guard challenge.scheme == "digest", let realm = challenge["realm"], let nonce = challenge["nonce"] else {
            return nil
        }
        let name = challenge["algorithm"]
        guard
            let algorithm = name.map({ name in
                Algorithm.allCases.first { $0.rawValue.lowercased() == name.lowercased() }
            }) ?? .md5
        else { return nil }
        if let quality = challenge["qop"] {
            // "auth-int" alone, a digest of the body too, is asked for by nobody we know of.
            guard FieldList.members([quality]).contains(where: { $0.lowercased() == "auth" }) else { return nil }
        }
        self.realm = realm
        self.nonce = nonce
        self.opaque = challenge["opaque"]
        self.algorithm = algorithm
        self.algorithmName = name
        self.hasQuality = challenge["qop"] != nil
        self.isStale = challenge["stale"]?.lowercased() == "true"
        self.wantsUserHash = challenge["userhash"]?.lowercased() == "true"
    }

    /// The credentials for one request.
    ///
    /// - Parameters:
    ///   - count: How often the nonce has been used, this time included.
    ///   - clientNonce: New for each request.
    /// - Source: RFC 7616 §3.4.
    func credentials(
        user: String, password: Secret, method: String, target: String, count: Int, clientNonce: String
    ) -> Secret {
        func hash(_ parts: String...) -> String { self.algorithm.hash(parts.joined(separator: ":")) }
        var key = hash(user, self.realm, password.reveal())
        if self.algorithm.isSession { key = hash(key, self.nonce, clientNonce) }
        let action = hash(method, target)
        let digits = String(count, radix: 16)
        let countText = String(repeating: "0", count: max(0, 8 - digits.count)) + digits
        let response =
            self.hasQuality
            ? hash(key, self.nonce, countText, clientNonce, "auth", action) : hash(key, self.nonce, action)
        var text = "Digest \(self.userText(user)), realm=\(FieldList.quoted(self.realm))"
        text += ", nonce=\(FieldList.quoted(self.nonce)), uri=\(FieldList.quoted(target)), response=\"\(response)\""
        if let algorithmName { text += ", algorithm=\(algorithmName)" }
        if let opaque { text += ", opaque=\(FieldList.quoted(opaque))" }
        if self.hasQuality || self.algorithm.isSession { text += ", cnonce=\(FieldList.quoted(clientNonce))" }
        if self.hasQuality { text += ", qop=auth, nc=\(countText)" }
        if self.wantsUserHash { text += ", userhash=true" }
        return Secret(text)
    }

    /// RFC 7616 §3.4: hashed if the server wants it; in RFC 8187's form if it has more than ASCII.
    private func userText(_ user: String) -> String {
        if self.wantsUserHash { return "username=\"\(self.algorithm.hash("\(user):\(self.realm)"))\"" }
        if user.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return "username=\(FieldList.quoted(user))" }
        return "username*=UTF-8''\(PercentEncoding.component(user))"
    }
}
