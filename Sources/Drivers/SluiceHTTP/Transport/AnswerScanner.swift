// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Follows the heads of an answer, the interim ones and the last, through pieces that may be cut anywhere.
///
/// - Source: RFC 9112 §2.1 and §4, RFC 9110 §15.2.
struct AnswerScanner {
    /// What has come so far.
    enum Position {
        /// Nothing.
        case none
        /// Interim answers alone, the last of them perhaps not whole.
        case interim
        /// A part of the last head.
        case head
        /// The last head as a whole.
        case answered
    }

    /// How many bytes of a head it takes to tell an interim one: those of `HTTP/1.1 1`.
    private static let tellingBytes = 10

    /// What has come so far.
    private(set) var position = Position.none
    /// How many bytes all heads have so far.
    private(set) var headBytes = 0
    /// How many bytes of the head under way were looked at, up to those that tell.
    private var column = 0
    private var isInterim = false
    /// Line ends in a row.
    private var newlines = 0

    /// Takes what comes next; what is behind the last head is not looked at.
    mutating func scan(_ piece: ByteBuffer) {
        piece.withUnsafeReadableBytes { bytes in
            for byte in bytes {
                if self.position == .answered { return }
                self.take(byte)
            }
        }
    }

    private mutating func take(_ byte: UInt8) {
        self.headBytes += 1
        let isLineEnd = byte == UInt8(ascii: "\n")
        // Empty lines before a head are nothing.
        if self.column == 0, isLineEnd || byte == UInt8(ascii: "\r") { return }
        if self.column < Self.tellingBytes {
            self.column += 1
            if self.position == .none { self.position = .head }
            if self.column == Self.tellingBytes {
                self.isInterim = byte == UInt8(ascii: "1")
                self.position = self.isInterim ? .interim : .head
            }
        }
        if isLineEnd {
            self.newlines += 1
            if self.newlines == 2 { self.endHead() }
        } else if byte != UInt8(ascii: "\r") {
            self.newlines = 0
        }
    }

    private mutating func endHead() {
        guard self.isInterim else {
            self.position = .answered
            return
        }
        self.column = 0
        self.newlines = 0
        self.isInterim = false
    }
}
