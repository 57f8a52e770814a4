// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice

/// What is wrong in a simulation file, where, and what would be right.
public struct SimulationFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The place, for example `pipeline[1].retry.maximumAttempts`; empty for the file as a whole.
    public let path: String
    /// What is wrong there and what would be right.
    public let reason: String

    /// One line.
    public var description: String { self.path.isEmpty ? self.reason : "\(self.path): \(self.reason)" }
}

/// A value of a JSON document.
enum JSONValue: Decodable {
    case null
    case boolean(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }
}

/// A value and its place in the file, read as what is wanted there or refused with that place.
struct FileNode {
    let value: JSONValue
    let path: String

    func error(_ reason: String) -> SimulationFileError { SimulationFileError(path: self.path, reason: reason) }

    private func child(_ name: String, _ value: JSONValue) -> FileNode {
        FileNode(value: value, path: self.path.isEmpty ? name : "\(self.path).\(name)")
    }

    /// The members of an object.
    func members() throws(SimulationFileError) -> [String: FileNode] {
        guard case .object(let values) = self.value else { throw self.error("must be an object: {…}") }
        return Dictionary(uniqueKeysWithValues: values.map { ($0.key, self.child($0.key, $0.value)) })
    }

    /// The members of an object that has none but these.
    func members(_ names: [String]) throws(SimulationFileError) -> [String: FileNode] {
        let members = try self.members()
        if let unknown = members.keys.filter({ !names.contains($0) }).min(), let node = members[unknown] {
            throw node.error("is not known here; there are \(names.joined(separator: ", "))")
        }
        return members
    }

    /// A member that must be there.
    static func required(
        _ name: String, _ members: [String: FileNode], of node: FileNode
    ) throws(SimulationFileError) -> FileNode {
        guard let member = members[name] else { throw node.child(name, .null).error("is missing") }
        return member
    }

    /// The one member of an object that must have exactly one.
    func onlyMember(of what: String) throws(SimulationFileError) -> (name: String, node: FileNode) {
        let members = try self.members()
        guard members.count == 1, let member = members.first else {
            throw self.error("must have exactly one member, \(what)")
        }
        return (member.key, member.value)
    }

    /// The items of a list.
    func items(_ count: ClosedRange<Int>) throws(SimulationFileError) -> [FileNode] {
        guard case .array(let values) = self.value else { throw self.error("must be a list: […]") }
        guard count.contains(values.count) else {
            throw self.error("must have \(count.lowerBound) to \(count.upperBound) items (has \(values.count))")
        }
        return values.enumerated().map { FileNode(value: $1, path: "\(self.path)[\($0)]") }
    }

    func string() throws(SimulationFileError) -> String {
        guard case .string(let text) = self.value else { throw self.error("must be a text") }
        return text
    }

    /// A setting: a text, or a number or truth value as if it were written as text.
    func text() throws(SimulationFileError) -> String {
        switch self.value {
        case .string(let text): text
        case .integer(let number): "\(number)"
        case .number(let number): "\(number)"
        case .boolean(let value): "\(value)"
        case .null, .array, .object: throw self.error("must be a text, a number or a truth value")
        }
    }

    func number(_ range: ClosedRange<Double>) throws(SimulationFileError) -> Double {
        guard let number = Double(try self.text()), range.contains(number) else {
            throw self.error("must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func integer(_ range: ClosedRange<Int>) throws(SimulationFileError) -> Int {
        guard let number = Int(try self.text()), range.contains(number) else {
            throw self.error("must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func boolean() throws(SimulationFileError) -> Bool {
        guard let value = Bool(try self.text()) else { throw self.error("must be true or false") }
        return value
    }

    func duration(atLeast minimum: Duration = .zero) throws(SimulationFileError) -> Duration {
        guard let duration = DurationText.duration(try self.text()), duration >= minimum else {
            throw self.error("must be a duration such as 250ms or 1.5s, of at least \(DurationText.text(minimum))")
        }
        return duration
    }
}
