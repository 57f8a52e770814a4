// SPDX-License-Identifier: Apache-2.0

/// The `Link` field: where related things are.
///
/// - Source: RFC 8288 §3.
public enum LinkHeader {
    /// The target of the first link with a relation, for example `next`, as it is written: often relative.
    public static func target(_ relation: String, in field: String) -> String? {
        var rest = field[...]
        while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
            let target = rest[rest.index(after: start)..<end]
            let (parameters, next) = Self.parameters(rest[rest.index(after: end)...])
            // A relation's value may be several, between spaces; names of relations do not tell case apart.
            let relations = parameters["rel"]?.split(separator: " ").map { $0.lowercased() } ?? []
            if relations.contains(relation.lowercased()) { return String(target) }
            rest = next
        }
        return nil
    }

    /// A link's parameters, the first of a name, and what follows the comma after them.
    private static func parameters(_ text: Substring) -> ([String: String], Substring) {
        var parameters: [String: String] = [:]
        var rest = text
        while let semicolon = rest.first(where: { $0 != " " && $0 != "\t" }), semicolon == ";" {
            rest = rest.drop { $0 == " " || $0 == "\t" }.dropFirst()
            let name = rest.prefix { $0 != "=" && $0 != ";" && $0 != "," }
            rest = rest[name.endIndex...]
            var value = ""
            if rest.first == "=" {
                rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
                (value, rest) = Self.value(rest)
            }
            let key = name.trimmingSpaces.lowercased()
            if parameters[key] == nil { parameters[key] = value }
        }
        let comma = rest.firstIndex(of: ",").map { rest.index(after: $0) } ?? rest.endIndex
        return (parameters, rest[comma...])
    }

    private static func value(_ text: Substring) -> (String, Substring) {
        guard text.first == "\"" else {
            let token = text.prefix { $0 != ";" && $0 != "," }
            return (String(token.trimmingSpaces), text[token.endIndex...])
        }
        var value = ""
        var index = text.index(after: text.startIndex)
        while index < text.endIndex, text[index] != "\"" {
            if text[index] == "\\", text.index(after: index) < text.endIndex { index = text.index(after: index) }
            value.append(text[index])
            index = text.index(after: index)
        }
        return (value, index < text.endIndex ? text[text.index(after: index)...] : text[index...])
    }
}
