// SPDX-License-Identifier: Apache-2.0
import HTTPTypes

/// Scheme, host and port: whom credentials are for.
public struct HTTPOrigin: Sendable, Hashable, CustomStringConvertible {
    /// For example `https://api.example.org:443`.
    public let description: String

    /// The origin of a URL.
    ///
    /// - Throws: ``APIClientError`` of kind `urlNotAllowed` if that is no absolute http or https URL.
    public init(_ url: String) throws(APIClientError) {
        self.description = try HTTPTarget(url).origin
    }

    /// Whether a request goes there.
    func isTarget(of request: HTTPRequest) -> Bool {
        guard let scheme = request.scheme?.lowercased(), let authority = request.authority?.lowercased() else {
            return false
        }
        // Behind the brackets of an IPv6 address a colon is one of a port.
        let host = authority.split(separator: "]", omittingEmptySubsequences: false).last ?? ""
        let port = host.contains(":") ? "" : (scheme == "https" ? ":443" : ":80")
        return "\(scheme)://\(authority)\(port)" == self.description
    }
}

extension HTTPOrigin: ExpressibleByStringLiteral {
    /// The origin of a URL that is written in the program; one that is none stops it.
    public init(stringLiteral url: String) {
        do { try self.init(url) } catch { preconditionFailure("\(url) is not an absolute http or https URL") }
    }
}
