// SPDX-License-Identifier: Apache-2.0

/// What the peer did wrong, and with which code the connection must end.
package struct ProtocolFailure: Error, Sendable, Hashable {
    package let code: WebSocketCloseCode
    /// In our own words, without anything the peer sent; at most 123 bytes, since it goes into the close frame.
    package let message: String

    init(_ code: WebSocketCloseCode, _ message: String) {
        self.code = code
        self.message = message
    }

    static func violation(_ message: String) -> ProtocolFailure { ProtocolFailure(.protocolError, message) }
    static let notText = ProtocolFailure(.invalidPayload, "a text is not UTF-8")
    static let frameTooLarge = ProtocolFailure(.messageTooBig, "a frame is larger than allowed")
    static let messageTooLarge = ProtocolFailure(.messageTooBig, "a message is larger than allowed")
    static let damaged = ProtocolFailure(.invalidPayload, "compressed data is damaged")
}
