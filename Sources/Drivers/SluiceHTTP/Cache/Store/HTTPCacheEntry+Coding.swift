// SPDX-License-Identifier: Apache-2.0
public import Foundation
import HTTPTypes
public import NIOCore

extension HTTPCacheEntry {
    /// All of an entry but its body, as a store outside the process keeps it.
    private struct Record: Codable {
        /// Changes with the form; what is written in another is not read.
        static let version = 1

        var version = Record.version
        let key: String
        let uri: String
        let variant: String
        let varyingFields: [String]
        let status: Int
        let reason: String
        let fields: [[String]]
        let requestTime: WallTime
        let responseTime: WallTime
        let timeToLive: Int64?
        let isInvalid: Bool
        let lifetime: Int64
        let initialAge: Int64
    }

    /// All but the body, as JSON.
    public func encodedHead() throws -> Data {
        let record = Record(
            key: self.key, uri: self.uri, variant: self.variant, varyingFields: self.varyingFields,
            status: self.head.status.code, reason: self.head.status.reasonPhrase,
            fields: self.head.headerFields.map { [$0.name.rawName, $0.value] }, requestTime: self.requestTime,
            responseTime: self.responseTime, timeToLive: self.timeToLive, isInvalid: self.isInvalid,
            lifetime: self.lifetime, initialAge: self.initialAge)
        return try JSONEncoder().encode(record)
    }

    /// Reads what ``encodedHead()`` wrote.
    ///
    /// - Throws: `DecodingError` if it is something else, or was written in another form by another version.
    public init(encodedHead: Data, body: ByteBuffer) throws {
        let record = try JSONDecoder().decode(Record.self, from: encodedHead)
        guard record.version == Record.version, (200..<1_000).contains(record.status) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: [], debugDescription: "a cached answer of another form"))
        }
        var head = HTTPResponse(status: .init(code: record.status, reasonPhrase: record.reason))
        for field in record.fields where field.count == 2 {
            if let name = HTTPField.Name(field[0]) { head.headerFields.append(HTTPField(name: name, value: field[1])) }
        }
        self.key = record.key
        self.uri = record.uri
        self.variant = record.variant
        self.varyingFields = record.varyingFields
        self.head = head
        self.body = body
        self.requestTime = record.requestTime
        self.responseTime = record.responseTime
        self.timeToLive = record.timeToLive
        self.isInvalid = record.isInvalid
        self.control = CacheControl(head.headerFields)
        self.lifetime = record.lifetime
        self.initialAge = record.initialAge
    }
}
