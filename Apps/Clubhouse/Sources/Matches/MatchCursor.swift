// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Where a page of matches ended: opaque to clients, and true however many matches are added before it.
struct MatchCursor: Sendable, Hashable {
    let date: String
    let time: String
    let id: Int64

    /// The place just after a match.
    init(_ match: StoredMatch) {
        self.date = match.match.date
        self.time = match.match.time
        self.id = match.id
    }

    /// Reads a cursor back; nil if it is none of ours.
    init?(_ text: String) {
        let base64 = text.replacing("-", with: "+").replacing("_", with: "/")
        let padding = String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: base64 + padding) else { return nil }
        let parts = String(decoding: data, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, CalendarDate.isValid(parts[0]), let id = Int64(parts[2]) else { return nil }
        self.date = String(parts[0])
        self.time = String(parts[1])
        self.id = id
    }

    /// The cursor as text that fits a URL.
    var text: String {
        Data("\(self.date) \(self.time) \(self.id)".utf8).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
