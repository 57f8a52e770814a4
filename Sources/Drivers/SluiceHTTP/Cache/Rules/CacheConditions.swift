// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore

/// Validators, and the conditions that are made of them.
enum CacheConditions {
    /// The fields by which a client makes a request conditional in a way that only the origin can judge.
    static func needsOrigin(_ fields: HTTPFields) -> Bool {
        fields.contains(.range) || fields.contains(.ifMatch) || fields.contains(.ifUnmodifiedSince)
            || fields.contains(.ifRange)
    }

    /// Whether the client asks for the answer only if it is not the one it has.
    static func isConditional(_ fields: HTTPFields) -> Bool {
        fields.contains(.ifNoneMatch) || fields.contains(.ifModifiedSince)
    }

    /// Whether the client has what is stored, so that it need not be sent.
    ///
    /// - Source: RFC 9110 §13.1 and §13.2.2; RFC 9111 §4.3.2.
    static func isNotModified(_ entry: HTTPCacheEntry, for fields: HTTPFields, now: WallTime) -> Bool {
        guard entry.head.status.code == 200 else { return false }
        if fields.contains(.ifNoneMatch) {
            guard let tag = entry.head.headerFields[values: .eTag].first.map({ self.opaque($0) }) else {
                return FieldList.members(fields[values: .ifNoneMatch]) == ["*"]
            }
            return FieldList.members(fields[values: .ifNoneMatch]).contains {
                $0 == "*" || self.opaque(String($0)) == tag
            }
        }
        let present = HTTPDate(seconds: now.seconds)
        guard let condition = fields[values: .ifModifiedSince].first, fields[values: .ifModifiedSince].count == 1,
            let since = HTTPDate(condition, now: present)
        else { return false }
        let stored = entry.head.headerFields
        let changed =
            (stored[values: .lastModified].first ?? stored[values: .date].first).flatMap { HTTPDate($0, now: present) }
        return changed.map { $0 <= since } ?? false
    }

    /// Makes a request ask for an answer only if it is another than the stored one.
    ///
    /// - Returns: Nil if the stored one has nothing to be told by.
    /// - Source: RFC 9111 §4.3.1.
    static func validating(_ request: HTTPRequest, _ entry: HTTPCacheEntry) -> HTTPRequest? {
        let tag = entry.head.headerFields[values: .eTag].first
        let changed = entry.head.headerFields[values: .lastModified].first
        guard tag != nil || changed != nil else { return nil }
        var request = request
        request.headerFields[.ifNoneMatch] = tag
        request.headerFields[.ifModifiedSince] = changed
        return request
    }

    /// Whether a 304 is about the stored answer.
    ///
    /// - Source: RFC 9111 §4.3.4: with a strong tag only about the one of that tag; otherwise about the one that was
    ///   asked for.
    static func confirms(_ update: HTTPResponse, _ entry: HTTPCacheEntry) -> Bool {
        guard let tag = update.headerFields[values: .eTag].first else { return true }
        guard let stored = entry.head.headerFields[values: .eTag].first else { return false }
        return self.isWeak(tag)
            ? self.opaque(tag) == self.opaque(stored)
            : tag == stored
                || self.isWeak(stored)
                    && self.opaque(tag) == self.opaque(stored)
    }

    /// Whether the answer to a HEAD is about what is stored.
    ///
    /// - Source: RFC 9111 §4.3.5.
    static func agrees(_ update: HTTPResponse, with entry: HTTPCacheEntry) -> Bool {
        let stored = entry.head.headerFields
        for name in [HTTPField.Name.eTag, .lastModified] {
            if let value = update.headerFields[name], value != stored[name] { return false }
        }
        guard let length = update.headerFields[.contentLength] else { return true }
        return length == stored[.contentLength] ?? "\(entry.body.readableBytes)"
    }

    private static func isWeak(_ tag: String) -> Bool { tag.hasPrefix("W/") }

    /// A tag without the mark of weakness, for the weak comparison of RFC 9110 §8.8.3.2.
    private static func opaque(_ tag: String) -> Substring { self.isWeak(tag) ? tag.dropFirst(2) : tag[...] }
}
