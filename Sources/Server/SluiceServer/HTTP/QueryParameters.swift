// SPDX-License-Identifier: Apache-2.0
public import Hummingbird

/// A request's query parameters, read strictly: an unknown name or a malformed value is a problem, not a silent default.
public struct QueryParameters: Sendable {
    private var values: [String: String] = [:]

    /// Takes the parameters of a request.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - names: Those this route knows.
    /// - Throws: ``Problem`` `invalid-parameter` for one it does not know, or one given twice.
    public init(_ request: Request, _ names: String...) throws(Problem) {
        for (name, value) in request.uri.queryParameters {
            let name = String(name)
            guard names.contains(name) else {
                throw Self.problem(name, "is not known here; there are \(names.joined(separator: ", "))")
            }
            guard self.values.updateValue(String(value), forKey: name) == nil else {
                throw Self.problem(name, "may be given once")
            }
        }
    }

    /// A parameter's text, or nil if it is missing or empty.
    public subscript(name: String) -> String? {
        self.values[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// A whole number within bounds.
    public func integer(_ name: String, default fallback: Int, in bounds: ClosedRange<Int>) throws(Problem) -> Int {
        guard let text = self[name] else { return fallback }
        guard let value = Int(text), bounds.contains(value) else {
            throw Self.problem(name, "must be a whole number in \(bounds.lowerBound)...\(bounds.upperBound)")
        }
        return value
    }

    /// The problem with a parameter.
    public static func problem(_ name: String, _ reason: String) -> Problem {
        Problem(
            .badRequest, "invalid-parameter", title: "Invalid parameter", detail: "\(name) \(reason).",
            members: ["parameter": .text(name)])
    }
}
