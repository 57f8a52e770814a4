// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The pages of the documentation catalogue, as the tests compare them with the code.
enum Catalogue {
    /// The cells of one row of a table, without the marks of code.
    typealias Row = [String]

    private static let folder = URL(filePath: #filePath)
        .appending(path: "../../../../Sources/Core/Sluice/Sluice.docc").standardized

    /// The names of all pages, without `.md`.
    static func pages() throws -> [String] {
        try FileManager.default.contentsOfDirectory(at: self.folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "md" }.map { $0.deletingPathExtension().lastPathComponent }.sorted()
    }

    /// The headings of a page below its title, further ones within them excepted.
    static func headings(of page: String) throws -> [String] {
        try self.text(of: page).split(separator: "\n").filter { $0.hasPrefix("## ") }.map { String($0.dropFirst(3)) }
    }

    /// The rows of the tables below a heading whose first cell is code.
    static func rows(of page: String, below heading: String) throws -> [Row] {
        let text = try self.text(of: page)
        guard let start = text.range(of: "\n## \(heading)\n") else { return [] }
        let rest = text[start.upperBound...]
        let section = rest.range(of: "\n## ").map { rest[..<$0.lowerBound] } ?? rest
        return section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { line in
            line.dropFirst(2).dropLast(2).components(separatedBy: " | ").map { $0.replacing("`", with: "") }
        }
    }

    private static func text(of page: String) throws -> String {
        try String(contentsOf: self.folder.appending(path: page + ".md"), encoding: .utf8)
    }
}
