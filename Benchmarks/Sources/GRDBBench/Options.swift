// SPDX-License-Identifier: Apache-2.0

/// The command line.
struct Options: Sendable {
    let name: String
    let path: String
    let tasks: Int
    let connections: Int
    let seconds: Double

    /// Reads `PROGRAM CASE --url sqlite:PATH --tasks N --connections N --seconds S`; nil if something is missing.
    init?(_ arguments: [String]) {
        guard arguments.count == 10 else { return nil }
        func value(of option: String) -> String? {
            arguments.firstIndex(of: option).flatMap { arguments.indices.contains($0 + 1) ? arguments[$0 + 1] : nil }
        }
        guard let url = value(of: "--url"), url.hasPrefix("sqlite:"),
            let tasks = value(of: "--tasks").flatMap({ Int($0) }),
            let connections = value(of: "--connections").flatMap({ Int($0) }),
            let seconds = value(of: "--seconds").flatMap({ Double($0) })
        else { return nil }
        self.name = arguments[1]
        self.path = String(url.dropFirst("sqlite:".count))
        self.tasks = tasks
        self.connections = connections
        self.seconds = seconds
    }
}
