// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// A query's values as libpq wants them: all as text, which the server reads as whatever type it needs, but bytes as they are.
struct PostgresParameters {
    private var bytes: [UInt8] = []
    /// Where each value begins, or -1 for null.
    private var starts: [Int] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []

    /// - Throws: ``SQLError`` of kind `statement` for what PostgreSQL cannot hold.
    init(_ values: [SQLValue]) throws(SQLError) {
        guard !values.isEmpty else { return }
        guard values.count <= Int(UInt16.max) else {
            throw SQLError(.statement, message: "a statement takes at most 65535 values", hasRun: false)
        }
        for value in values {
            let start = self.bytes.count
            var isBinary: Int32 = 0
            switch value {
            case .null:
                self.starts.append(-1)
                self.lengths.append(0)
                self.formats.append(0)
                continue
            case .integer(let value): Self.append(value, to: &self.bytes)
            case .real(let value): self.bytes += value.description.utf8
            case .text(let value):
                self.bytes += value.utf8
                guard !self.bytes[start...].contains(0) else { throw .zeroByteInText }
            case .timestamp(let value): self.bytes += "\(SQLTimestamp.text(value))+00".utf8
            case .blob(let value):
                self.bytes += value
                isBinary = 1
            }
            self.starts.append(start)
            self.lengths.append(Int32(self.bytes.count - start))
            self.formats.append(isBinary)
            self.bytes.append(0)
        }
    }

    /// Digits without a `String` between.
    static func append(_ value: Int64, to bytes: inout [UInt8]) {
        let start = bytes.count
        var rest = value.magnitude
        repeat {
            bytes.append(0x30 + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        bytes[start...].reverse()
    }

    /// Lends libpq its three arrays.
    func withPointers<Result>(
        _ body: (
            _ count: Int32, _ values: UnsafePointer<UnsafePointer<CChar>?>?, _ lengths: UnsafePointer<Int32>?,
            _ formats: UnsafePointer<Int32>?
        ) -> Result
    ) -> Result {
        guard !self.starts.isEmpty else { return body(0, nil, nil, nil) }
        return self.bytes.withUnsafeBytes { bytes in
            withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: self.starts.count) { values in
                for (index, start) in self.starts.enumerated() {
                    let value =
                        start < 0 ? nil : bytes.baseAddress.map { ($0 + start).assumingMemoryBound(to: CChar.self) }
                    values.initializeElement(at: index, to: value)
                }
                return body(Int32(self.starts.count), UnsafePointer(values.baseAddress), self.lengths, self.formats)
            }
        }
    }
}
